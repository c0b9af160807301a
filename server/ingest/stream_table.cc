#include "server/ingest/stream_table.h"

#include <mutex>
#include <optional>

#include "pipeline/model/quoted_text.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;

namespace {

constexpr size_t kMaxLabelTextBytes = 16 << 20;  // Loki's: beyond, 413
constexpr size_t kBytesPerStream = 300;          // beside the texts: map nodes, pointers, the verdict
constexpr std::string_view kServiceName = "service_name";
constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

StreamVerdict refused(RejectReason reason, std::string text) {
  return {nullptr, reason, std::move(text), std::nullopt, 0};
}

bool is_clean(std::string_view value) {
  return value.find(kReplacementCharacter) == value.npos && pipeline::is_valid_utf8(value);
}

// `duplicate label name "a"` -> a
std::optional<std::string> duplicate_name(std::string_view message) {
  constexpr std::string_view kPrefix = "duplicate label name \"";
  if (!message.starts_with(kPrefix) || !message.ends_with('"')) return std::nullopt;
  message.remove_prefix(kPrefix.size());
  return std::string(message.substr(0, message.size() - 1));
}

bool is_internal(const LabelSet& labels) { return labels.get("__aggregated_metric__") || labels.get("__pattern__"); }

LabelSet with_service_name(LabelSet labels, const std::vector<std::string>& candidates) {
  if (candidates.empty() || labels.get(kServiceName) || is_internal(labels)) return labels;
  for (const std::string& name : candidates) {
    if (auto value = labels.get(name)) return labels.with(kServiceName, std::string(*value));
  }
  return labels.with(kServiceName, "unknown_service");
}

}  // namespace

Result<std::shared_ptr<const StreamVerdict>> StreamTable::find(std::string_view tenant, std::string_view label_text,
                                                               const PushRules& rules) {
  thread_local std::string key;
  key.assign(tenant);
  key += '\0';
  key += label_text;
  {
    std::shared_lock lock(mutex_);
    auto found = known_.find(std::string_view(key));
    if (found != known_.end() && found->second->rules == rules.id()) return found->second;
  }
  TRY_LET(StreamVerdict judged, judge(tenant, label_text, rules));
  judged.rules = rules.id();
  auto verdict = std::make_shared<const StreamVerdict>(std::move(judged));
  std::lock_guard lock(mutex_);
  if (bytes_ > kMaxBytes) known_.clear(), bytes_ = 0;
  auto [place, added] = known_.insert_or_assign(key, std::move(verdict));
  if (added) bytes_ += kBytesPerStream + 4 * key.size();
  return place->second;
}

Result<StreamVerdict> StreamTable::judge(std::string_view tenant, std::string_view label_text, const PushRules& rules) {
  const TenantLimits& limits = rules.limits();
  if (label_text.size() > kMaxLabelTextBytes)
    return fail(Errc::kOverLimit, concat("request body too large: stream labels size ", label_text.size(),
                                         " exceeds limit of ", kMaxLabelTextBytes));
  auto parsed = LabelSet::parse(label_text);
  if (!parsed) {
    if (auto name = duplicate_name(parsed.error().message))
      return refused(RejectReason::kDuplicateLabelNames,
                     concat("stream '", label_text, "' has duplicate label name: '", *name, "'"));
    return fail(parsed.error().within("couldn't parse labels"));
  }
  LabelSet labels = with_service_name(*std::move(parsed), limits.discover_service_name);
  if (labels.empty())
    return refused(RejectReason::kMissingLabels, "error at least one label pair is required per stream");
  auto text = labels.text();
  size_t count = labels.labels().size() - (labels.get(kServiceName) ? 1 : 0);  // of our making, mostly
  if (limits.max_label_names_per_series > 0 && count > limits.max_label_names_per_series)
    return refused(RejectReason::kTooManyLabelNames, concat("entry for stream '", text, "' has ", count,
                                                            " label names; limit ", limits.max_label_names_per_series));
  for (const auto& [name, value] : labels.labels()) {
    if (!is_clean(value))
      return fail(Errc::kInvalid, concat("couldn't parse labels: the value of \"", name, "\" is not valid UTF-8"));
    if (limits.max_label_name_length > 0 && name.size() > limits.max_label_name_length)
      return refused(RejectReason::kLabelNameTooLong,
                     concat("stream '", text, "' has label name too long: '", name, "'"));
    if (limits.max_label_value_length > 0 && value.size() > limits.max_label_value_length)
      return refused(RejectReason::kLabelValueTooLong,
                     concat("stream '", text, "' has label value too long: '", value, "'"));
  }
  std::string missing;
  for (const std::string& name : limits.enforced_labels)
    if (!labels.get(name)) missing += concat(missing.empty() ? "" : ",", name);
  if (!missing.empty())
    return refused(RejectReason::kMissingEnforcedLabels, missing_labels_text(tenant, text, missing));
  StreamVerdict verdict;
  if (auto level = rules.levels().of_labels(labels)) verdict.level = *level;
  verdict.stream = Stream::make(tenant, labels);
  return verdict;
}

}  // namespace server
