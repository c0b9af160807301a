// Relabelling: each line of the input is a rule, with tabs between its values, until an empty line; the rest are
// labels.
#include <algorithm>
#include <vector>

#include "pipeline/match/relabel.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

namespace {

std::string next_value(std::string_view& line) {
  size_t end = line.find('\t');
  std::string value(line.substr(0, end));
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return value;
}

RelabelConfig rule_of(std::string_view line) {
  constexpr std::string_view kActions[] = {"replace",  "keep",      "drop",      "keepequal", "dropequal", "hashmod",
                                           "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase"};
  RelabelConfig rule;
  rule.action = next_value(line);
  if (rule.action.size() == 1) rule.action = kActions[static_cast<uint8_t>(rule.action[0]) % std::size(kActions)];
  std::string sources = next_value(line);
  for (std::string_view rest = sources; !rest.empty();) {
    size_t comma = std::min(rest.find(','), rest.size());
    rule.source_labels.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  rule.target_label = next_value(line);
  rule.regex = next_value(line);
  rule.replacement = next_value(line);
  rule.modulus = next_value(line).size();
  return rule;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  std::vector<RelabelRule> rules;
  while (!rest.empty()) {
    std::string_view line = fuzz::first_line(rest);
    if (line.empty()) break;
    auto rule = RelabelRule::compile(rule_of(line));
    if (rule) rules.push_back(*std::move(rule));
  }
  auto labels = LabelSet::parse(rest);
  LabelSet before =
      labels ? *labels : LabelSet::from({{"a", "1"}, {"b", std::string(rest.substr(0, 64))}, {"__meta_x", "y"}});
  auto after = RelabelRules(std::move(rules)).apply(before);
  if (!after) return 0;
  const std::vector<Label>& all = after->labels();
  fuzz::demand(std::is_sorted(all.begin(), all.end()), "labels are sorted");
  auto same_name = [](const Label& a, const Label& b) { return a.first == b.first; };
  fuzz::demand(std::adjacent_find(all.begin(), all.end(), same_name) == all.end(), "names are unique");
  LabelSet sent = strip_reserved(*after);
  for (const Label& label : sent.labels()) {
    fuzz::demand(!label.first.starts_with("__"), "no reserved label is left");
  }
  return 0;
}
