#include "pipeline/match/relabel.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/digest.h"
#include "pipeline/model/letter_case.h"

namespace pipeline {

// Labels while rules change them, with the order that Prometheus' builder gives them: the original ones by name, then
// what rules have set, in the order of the first setting. Sets are small; look-ups are linear.
class LabelBuilder {
 public:
  explicit LabelBuilder(const LabelSet& labels) : base_(labels.labels()) {
    std::erase_if(base_, [](const Label& label) { return label.second.empty(); });
  }

  std::string_view get(std::string_view name) const {
    for (const std::vector<Label>* labels : {&added_, &base_}) {
      for (const Label& label : *labels) {
        if (label.first == name) return label.second;
      }
    }
    return {};
  }
  void set(std::string_view name, std::string_view value) {
    if (value.empty()) return remove(name);
    std::erase_if(base_, [&](const Label& label) { return label.first == name; });
    for (Label& label : added_) {
      if (label.first == name) {
        label.second = value;
        return;
      }
    }
    added_.emplace_back(name, value);
  }
  void remove(std::string_view name) {
    for (std::vector<Label>* labels : {&base_, &added_}) {
      std::erase_if(*labels, [&](const Label& label) { return label.first == name; });
    }
  }
  std::vector<Label> snapshot() const {
    std::vector<Label> all = base_;
    all.insert(all.end(), added_.begin(), added_.end());
    return all;
  }

 private:
  std::vector<Label> base_, added_;
};

namespace {

constexpr std::pair<std::string_view, RelabelAction> kActions[] = {
    {"replace", RelabelAction::kReplace},     {"keep", RelabelAction::kKeep},
    {"drop", RelabelAction::kDrop},           {"keepequal", RelabelAction::kKeepEqual},
    {"dropequal", RelabelAction::kDropEqual}, {"hashmod", RelabelAction::kHashMod},
    {"labelmap", RelabelAction::kLabelMap},   {"labeldrop", RelabelAction::kLabelDrop},
    {"labelkeep", RelabelAction::kLabelKeep}, {"lowercase", RelabelAction::kLowercase},
    {"uppercase", RelabelAction::kUppercase}};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// ^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$: a label name in which $1 and ${name} may stand anywhere.
bool is_label_name_template(std::string_view text) {
  auto word_end = [&](size_t at) {
    while (at < text.size() && is_word(text[at])) ++at;
    return at;
  };
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (size_t at = 0; at < text.size();) {
    if (is_word(text[at])) {
      ++at;
      continue;
    }
    if (text[at++] != '$') return false;
    bool braced = at < text.size() && text[at] == '{';
    if (braced) ++at;
    size_t end = word_end(at);
    if (end == at || (braced && (end >= text.size() || text[end] != '}'))) return false;
    at = end + static_cast<size_t>(braced);
  }
  return true;
}

bool has_reference(std::string_view text) { return text.find('$') != std::string_view::npos; }

Result<void> check(const RelabelConfig& config, RelabelAction action) {
  const RelabelConfig defaults;
  using enum RelabelAction;
  auto refuse = [](std::string text) { return fail(Errc::kInvalid, std::move(text)); };
  bool compares = action == kKeepEqual || action == kDropEqual;
  bool cases = action == kLowercase || action == kUppercase;
  bool has_target = action == kReplace || action == kHashMod || compares || cases;
  if (action == kHashMod && config.modulus == 0) {
    return refuse("relabel configuration for hashmod requires non-zero modulus");
  }
  if (has_target && config.target_label.empty()) {
    return refuse(concat("relabel configuration for ", config.action, " action requires 'target_label' value"));
  }
  bool templated = action == kReplace && has_reference(config.target_label);
  if (has_target && !(templated ? is_label_name_template(config.target_label) : is_label_name(config.target_label))) {
    return refuse(concat("\"", config.target_label, "\" is invalid 'target_label' for ", config.action, " action"));
  }
  if ((compares || cases) && config.replacement != defaults.replacement) {
    return refuse(concat("'replacement' can not be set for ", config.action, " action"));
  }
  if (action == kLabelMap && !is_label_name_template(config.replacement)) {
    return refuse(concat("\"", config.replacement, "\" is invalid 'replacement' for ", config.action, " action"));
  }
  bool plain =
      config.modulus == 0 && config.separator == defaults.separator && config.replacement == defaults.replacement;
  if (compares && (!plain || config.regex != defaults.regex)) {
    return refuse(
        concat(config.action, " action requires only 'source_labels' and 'target_label', and no other fields"));
  }
  bool names = action == kLabelDrop || action == kLabelKeep;
  if (names && (!plain || !config.source_labels.empty() || !config.target_label.empty())) {
    return refuse(concat(config.action, " action requires only 'regex', and no other fields"));
  }
  return {};
}

uint64_t hash_modulo(std::string_view value, uint64_t modulus) {
  std::array<uint8_t, 16> digest = md5(value);
  uint64_t number = 0;
  for (size_t i = 8; i < digest.size(); ++i) number = number << 8 | digest[i];
  return number % modulus;
}

}  // namespace

RelabelRule::RelabelRule(RelabelConfig config, RelabelAction action, Regex regex)
    : config_(std::move(config)), action_(action), regex_(std::move(regex)) {}

Result<RelabelRule> RelabelRule::compile(const RelabelConfig& config) {
  const auto* known = std::find_if(std::begin(kActions), std::end(kActions),
                                   [&](const auto& action) { return action.first == config.action; });
  if (known == std::end(kActions)) {
    std::string quoted;
    append_quoted(quoted, config.action);
    return fail(Errc::kInvalid, concat(quoted, " unrecognized action type ", quoted));
  }
  TRY_LET(auto regex, Regex::compile(config.regex, Dot::kAny));
  TRY(check(config, known->second));
  return RelabelRule(config, known->second, std::move(regex));
}

void RelabelRule::replace(LabelBuilder& labels, const std::string& value) const {
  if (value.empty() && config_.regex == "(.*)" && !has_reference(config_.target_label) &&
      !has_reference(config_.replacement)) {
    return labels.set(config_.target_label, config_.replacement);
  }
  std::vector<std::string_view> groups(regex_.group_count());
  if (!regex_.full_find(value, groups)) return;
  std::string target, result;
  regex_.expand(target, config_.target_label, groups);
  if (!is_label_name(target)) return;
  regex_.expand(result, config_.replacement, groups);
  labels.set(target, result);
}

void RelabelRule::map_names(LabelBuilder& labels) const {
  std::vector<std::string_view> groups(regex_.group_count());
  for (const auto& [name, value] : labels.snapshot()) {
    if (!regex_.full_find(name, groups)) continue;
    std::string target;
    regex_.expand(target, config_.replacement, groups);
    labels.set(target, value);
  }
}

void RelabelRule::remove_names(LabelBuilder& labels, bool matching) const {
  for (const auto& [name, value] : labels.snapshot()) {
    if (regex_.full_match(name) == matching) labels.remove(name);
  }
}

bool RelabelRule::apply(LabelBuilder& labels) const {
  std::string value;
  for (size_t i = 0; i < config_.source_labels.size(); ++i) {
    if (i > 0) value.append(config_.separator);
    value.append(labels.get(config_.source_labels[i]));
  }
  switch (action_) {
    case RelabelAction::kReplace: replace(labels, value); break;
    case RelabelAction::kKeep: return regex_.full_match(value);
    case RelabelAction::kDrop: return !regex_.full_match(value);
    case RelabelAction::kKeepEqual: return labels.get(config_.target_label) == value;
    case RelabelAction::kDropEqual: return labels.get(config_.target_label) != value;
    case RelabelAction::kHashMod:
      labels.set(config_.target_label, std::to_string(hash_modulo(value, config_.modulus)));
      break;
    case RelabelAction::kLabelMap: map_names(labels); break;
    case RelabelAction::kLabelDrop: remove_names(labels, true); break;
    case RelabelAction::kLabelKeep: remove_names(labels, false); break;
    case RelabelAction::kLowercase: labels.set(config_.target_label, to_lower(value)); break;
    case RelabelAction::kUppercase: labels.set(config_.target_label, to_upper(value)); break;
  }
  return true;
}

std::optional<LabelSet> RelabelRules::apply(const LabelSet& labels) const {
  LabelBuilder builder(labels);
  for (const RelabelRule& rule : rules_) {
    if (!rule.apply(builder)) return std::nullopt;
  }
  return LabelSet::from(builder.snapshot());
}

LabelSet strip_reserved(const LabelSet& labels) {
  std::vector<Label> kept;
  for (const Label& label : labels.labels()) {
    if (!label.first.starts_with("__")) kept.push_back(label);
  }
  return LabelSet::from(std::move(kept));
}

}  // namespace pipeline
