#include "server/erase/retention_rules.h"

#include <algorithm>

#include "server/logql/parser.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using std::chrono::nanoseconds;

Result<RetentionRules> RetentionRules::compile(const RetentionSettings& settings) {
  RetentionRules rules;
  rules.period_ = rules.shortest_ = rules.longest_ = settings.period;
  std::vector<StreamRetention> sorted = settings.streams;
  auto length = [](const StreamRetention& s) { return s.period.count() == 0 ? nanoseconds::max() : s.period; };
  std::stable_sort(sorted.begin(), sorted.end(), [&](const StreamRetention& a, const StreamRetention& b) {
    return a.priority != b.priority ? a.priority > b.priority : length(a) < length(b);
  });
  for (const StreamRetention& stream : sorted) {
    auto selector = parse_selector(stream.selector, EmptyMatchers::kAllow);
    if (!selector) return fail(Errc::kInvalid, concat("invalid labels matchers: ", selector.error().message));
    rules.rules_.push_back({compile_selector(*selector), stream.period});
    if (stream.period.count() == 0) {
      rules.longest_ = nanoseconds(0);
      continue;
    }
    if (rules.longest_.count() != 0) rules.longest_ = std::max(rules.longest_, stream.period);
    rules.shortest_ = rules.shortest_.count() == 0 ? stream.period : std::min(rules.shortest_, stream.period);
  }
  return rules;
}

nanoseconds RetentionRules::period_of(const pipeline::LabelSet& labels) const {
  for (const Rule& rule : rules_) {
    if (pipeline::matches_all(rule.matchers, labels)) return rule.period;
  }
  return period_;
}

}  // namespace server
