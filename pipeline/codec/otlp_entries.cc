#include "pipeline/codec/otlp_entries.h"

#include <algorithm>
#include <limits>

#include "pipeline/base/concat.h"
#include "pipeline/base/text_encoding.h"
#include "pipeline/codec/otlp_value_text.h"

namespace pipeline {

namespace {

constexpr std::string_view kServiceName = "service_name";
constexpr std::string_view kDiscoveredPrefix = "__otlp_resource_";

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_reserved(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__") &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_name_char(c) || c == '_'; }) &&
         std::any_of(name.begin(), name.end(), is_name_char);
}

bool all_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

}  // namespace

Result<std::string> otlp_label_name(std::string_view attribute) {
  if (is_reserved(attribute)) return std::string(attribute);
  std::string name;
  if (!attribute.empty() && is_digit(attribute.front())) name = "key_";
  for (char c : attribute) {
    if (is_name_char(c))
      name += c;
    else if (name.empty() || name.back() != '_')
      name += '_';
  }
  if (std::none_of(name.begin(), name.end(), is_name_char))
    return fail(Errc::kInvalid, concat("attribute name '", attribute.substr(0, 100), "' has no letter or digit"));
  return name;
}

const std::vector<std::string>& default_otlp_index_attributes() {
  static const std::vector<std::string> kNames = {"service.name",
                                                  "service.namespace",
                                                  "service.instance.id",
                                                  "deployment.environment",
                                                  "deployment.environment.name",
                                                  "cloud.region",
                                                  "cloud.availability_zone",
                                                  "k8s.cluster.name",
                                                  "k8s.namespace.name",
                                                  "k8s.pod.name",
                                                  "k8s.container.name",
                                                  "container.name",
                                                  "k8s.replicaset.name",
                                                  "k8s.deployment.name",
                                                  "k8s.statefulset.name",
                                                  "k8s.daemonset.name",
                                                  "k8s.cronjob.name",
                                                  "k8s.job.name"};
  return kNames;
}

const std::vector<std::string>& default_service_name_labels() {
  static const std::vector<std::string> kNames = {"service",
                                                  "app",
                                                  "application",
                                                  "app_name",
                                                  "name",
                                                  "app_kubernetes_io_name",
                                                  "container",
                                                  "container_name",
                                                  "k8s_container_name",
                                                  "component",
                                                  "workload",
                                                  "job",
                                                  "k8s_job_name"};
  return kNames;
}

OtlpEntries::OtlpEntries(const OtlpMapping& mapping, UnixNanos now, PushVisitor& visitor)
    : mapping_(mapping), now_(now), visitor_(visitor) {}

OtlpAction OtlpEntries::action_for(const std::vector<OtlpRule>& rules, std::string_view name) {
  for (const OtlpRule& rule : rules)
    if (rule.matches(name)) return rule.action;
  return OtlpAction::kStructuredMetadata;
}

OtlpAction OtlpEntries::action_for_resource(std::string_view name) const {
  const auto& names = mapping_.index_attributes.empty() ? default_otlp_index_attributes() : mapping_.index_attributes;
  if (!mapping_.ignore_defaults && std::find(names.begin(), names.end(), name) != names.end())
    return OtlpAction::kIndexLabel;
  return action_for(mapping_.resource_rules, name);
}

Result<void> OtlpEntries::flatten(const OtlpValue& attribute, std::string_view prefix, Pairs& out) {
  TRY_LET(std::string name,
          prefix.empty() ? otlp_label_name(attribute.name) : otlp_label_name(concat(prefix, "_", attribute.name)));
  if (attribute.kind == OtlpValue::Kind::kMap) {
    for (const OtlpValue& child : attribute.children) TRY(flatten(child, name, out));
    return {};
  }
  std::string text;
  append_otlp_text(text, attribute);
  if (!text.empty()) out.emplace_back(std::move(name), std::move(text));
  return {};
}

Result<void> OtlpEntries::on_resource(std::span<const OtlpValue> attributes) {
  finish();
  labels_.clear();
  resource_.clear();
  scope_.clear();
  told_ = false;
  Pairs labels, discovered;
  for (const OtlpValue& attribute : attributes) {
    OtlpAction action = action_for_resource(attribute.name);
    if (mapping_.resource_as_discovered) TRY(flatten(attribute, {}, discovered));
    if (action == OtlpAction::kIndexLabel) TRY(flatten(attribute, {}, labels));
    if (action == OtlpAction::kStructuredMetadata) TRY(flatten(attribute, {}, resource_));
  }
  labels_.assign(labels.begin(), labels.end());
  add_service_name(labels);
  for (auto& [name, value] : discovered) labels_.emplace_back(concat(kDiscoveredPrefix, name), std::move(value));
  return {};
}

void OtlpEntries::add_service_name(const Pairs& labels) {
  auto value_of = [&](std::string_view name) -> const std::string* {
    auto at = std::find_if(labels.begin(), labels.end(), [&](const Pair& p) { return p.first == name; });
    return at == labels.end() ? nullptr : &at->second;
  };
  if (mapping_.discover_service_name.empty() || value_of(kServiceName)) return;
  std::string value = "unknown_service";
  for (const std::string& name : mapping_.discover_service_name) {
    if (const std::string* found = value_of(name)) {
      value = *found;
      break;
    }
  }
  labels_.emplace_back(kServiceName, std::move(value));
}

Result<void> OtlpEntries::on_scope(const OtlpScope& scope) {
  scope_.clear();
  for (const OtlpValue& attribute : scope.attributes)
    if (action_for(mapping_.scope_rules, attribute.name) != OtlpAction::kDrop) TRY(flatten(attribute, {}, scope_));
  if (!scope.name.empty()) scope_.emplace_back("scope_name", scope.name);
  if (!scope.version.empty()) scope_.emplace_back("scope_version", scope.version);
  if (scope.dropped_attributes != 0)
    scope_.emplace_back("scope_dropped_attributes_count", std::to_string(scope.dropped_attributes));
  return {};
}

Result<void> OtlpEntries::on_record(const OtlpRecord& record) {
  record_.clear();
  for (const OtlpValue& attribute : record.attributes)
    if (action_for(mapping_.record_rules, attribute.name) != OtlpAction::kDrop) TRY(flatten(attribute, {}, record_));
  add_fields(record);
  tell_stream(mapping_.severity_text_as_label ? record.severity_text : std::string_view());
  metadata_.clear();
  for (const Pairs* pairs : {&record_, &resource_, &scope_})
    for (const auto& [name, value] : *pairs) metadata_.push_back({name, value});
  std::string_view line = record.body.text;
  if (record.body.kind != OtlpValue::Kind::kText) {
    line_.clear();
    append_otlp_text(line_, record.body);
    line = line_;
  }
  visitor_.on_entry(time_of(record), line, metadata_);
  return {};
}

void OtlpEntries::finish() {
  if (!told_) visitor_.on_stream(LabelSet::from(labels_).text(), 0);
  told_ = true;
}

void OtlpEntries::tell_stream(std::string_view severity_text) {
  if (told_ && told_severity_ == severity_text) return;
  std::vector<Label> labels = labels_;
  if (!severity_text.empty()) labels.emplace_back("severity_text", severity_text);
  visitor_.on_stream(LabelSet::from(std::move(labels)).text(), 1);
  told_ = true;
  told_severity_ = severity_text;
}

void OtlpEntries::add_number(std::string_view name, uint64_t number) {
  if (number != 0) record_.emplace_back(name, std::to_string(number));
}

void OtlpEntries::add_fields(const OtlpRecord& record) {
  auto add_id = [&](std::string_view name, std::string_view id) {
    if (id.empty() || all_zero(id)) return;
    record_.emplace_back(name, std::string());
    append_hex(record_.back().second, id);
  };
  if (record.time != 0) add_number("observed_timestamp", record.observed_time);
  if (record.severity != 0) record_.emplace_back("severity_number", std::to_string(record.severity));
  if (!record.severity_text.empty()) record_.emplace_back("severity_text", record.severity_text);
  add_number("dropped_attributes_count", record.dropped_attributes);
  add_number("flags", record.flags);
  add_id("trace_id", record.trace_id);
  add_id("span_id", record.span_id);
  if (record.event_name.empty()) return;
  auto same = [](const Pair& pair) { return pair.first == "event_name"; };
  record_.erase(std::remove_if(record_.begin(), record_.end(), same), record_.end());  // the field wins
  record_.emplace_back("event_name", record.event_name);
}

UnixNanos OtlpEntries::time_of(const OtlpRecord& record) const {
  constexpr uint64_t kLast = std::numeric_limits<UnixNanos>::max();
  uint64_t time = record.time != 0 ? record.time : record.observed_time;
  return time == 0 ? now_ : static_cast<UnixNanos>(std::min(time, kLast));
}

}  // namespace pipeline
