#include "server/ingest/stream_table.h"

#include <algorithm>
#include <mutex>

#include "pipeline/model/label_text.h"
#include "pipeline/model/quoted_text.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Label;
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

bool is_internal(const LabelSet& labels) { return labels.get("__aggregated_metric__") || labels.get("__pattern__"); }

LabelSet with_service_name(LabelSet labels, const std::vector<std::string>& candidates) {
  if (candidates.empty() || labels.get(kServiceName) || is_internal(labels)) return labels;
  for (const std::string& name : candidates) {
    if (auto value = labels.get(name)) return labels.with(kServiceName, std::string(*value));
  }
  return labels.with(kServiceName, "unknown_service");
}

// Of labels in their order; the first that is there twice. Null: none.
const Label* repeated(const std::vector<Label>& labels) {
  auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                  [](const Label& a, const Label& b) { return a.first == b.first; });
  return twice == labels.end() ? nullptr : &*twice;
}

std::string text_of(const std::vector<Label>& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    out += concat(out.size() > 1 ? ", " : "", name, "=");
    pipeline::append_quoted(out, value);
  }
  return out + '}';
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
  auto parsed = pipeline::parse_label_text(label_text);
  if (!parsed) return fail(parsed.error().within("couldn't parse labels"));
  const auto by_name = [](const Label& a, const Label& b) { return a.first < b.first; };
  std::stable_sort(parsed->begin(), parsed->end(), by_name);
  LabelSet labels = with_service_name(LabelSet::from(*parsed), limits.discover_service_name);
  if (const Label* twice = repeated(*parsed)) {
    const std::string name = twice->first;
    if (auto service = labels.get(kServiceName); service && !LabelSet::from(*parsed).get(kServiceName))
      parsed->insert(std::upper_bound(parsed->begin(), parsed->end(), Label(kServiceName, ""), by_name),
                     Label(kServiceName, *service));
    return refused(RejectReason::kDuplicateLabelNames,
                   concat("stream '", text_of(*parsed), "' has duplicate label name: '", name, "'"));
  }
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
