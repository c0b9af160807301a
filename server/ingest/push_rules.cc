#include "server/ingest/push_rules.h"

#include <algorithm>
#include <atomic>

#include "pipeline/match/regex.h"

namespace server {

using pipeline::OtlpAction;
using pipeline::OtlpMapping;
using pipeline::OtlpRule;

namespace {

uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

OtlpAction action_of(const std::string& name) {
  if (name == "index_label") return OtlpAction::kIndexLabel;
  return name == "drop" ? OtlpAction::kDrop : OtlpAction::kStructuredMetadata;
}

std::vector<OtlpRule> rules_of(const std::vector<OtlpAttributeRule>& rules) {
  std::vector<OtlpRule> out;
  for (const OtlpAttributeRule& rule : rules) {
    if (rule.regex.empty()) {
      out.push_back({action_of(rule.action), [names = rule.attributes](std::string_view attribute) {
                       return std::find(names.begin(), names.end(), attribute) != names.end();
                     }});
    } else if (auto regex = pipeline::Regex::compile(rule.regex)) {  // checked where the limits were read
      out.push_back({action_of(rule.action),
                     [regex = *std::move(regex)](std::string_view attribute) { return regex.full_match(attribute); }});
    }
  }
  return out;
}

OtlpMapping mapping_of(const TenantLimits& limits) {
  OtlpMapping mapping;
  mapping.ignore_defaults = limits.otlp_config.ignore_defaults;
  mapping.resource_rules = rules_of(limits.otlp_config.resource_attributes);
  mapping.scope_rules = rules_of(limits.otlp_config.scope_attributes);
  mapping.record_rules = rules_of(limits.otlp_config.log_attributes);
  mapping.severity_text_as_label = limits.otlp_config.severity_text_as_label;
  mapping.discover_service_name = limits.discover_service_name;
  return mapping;
}

}  // namespace

PushRules::PushRules(std::shared_ptr<const TenantLimits> limits)
    : id_(next_id()),
      limits_(std::move(limits)),
      levels_(limits_->log_level_fields, limits_->log_level_from_json_max_depth),
      otlp_(mapping_of(*limits_)) {}

std::shared_ptr<const PushRules> PushRuleBook::of(std::string_view tenant) {
  constexpr size_t kMaxKnown = 1000;  // old ones stay after a reload; making them again is cheap
  auto limits = limits_.of(tenant);
  std::lock_guard lock(mutex_);
  if (auto known = known_.find(limits.get()); known != known_.end()) return known->second.rules;
  if (known_.size() >= kMaxKnown) known_.clear();
  auto rules = std::make_shared<const PushRules>(
      kind_ == Kind::kLifted ? std::make_shared<const TenantLimits>(limits->lifted()) : limits);
  known_[limits.get()] = {limits, rules};
  return rules;
}

}  // namespace server
