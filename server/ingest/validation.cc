#include "server/ingest/validation.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"

namespace server {

using pipeline::concat;
using pipeline::UnixNanos;

namespace {

std::string whole_seconds(UnixNanos time) {
  constexpr UnixNanos kSecond = 1'000'000'000;
  UnixNanos rest = time % kSecond;
  return pipeline::format_rfc3339(time - (rest < 0 ? rest + kSecond : rest));
}

// Loki's: 3MB are 3 * 1024 * 1024 bytes; rounded down.
std::string size_text(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; unit + 1 < std::size(kUnits) && bytes >= 1024; ++unit) bytes /= 1024;
  return concat(bytes, kUnits[unit]);
}

std::string contact(std::string_view setting, std::string_view verb) {
  return concat(". Please see `limits_config.", setting, "` or contact your Loki administrator to ", verb, " it");
}

}  // namespace

std::string_view reject_reason_name(RejectReason reason) {
  static constexpr std::string_view kNames[] = {
      "missing_labels",
      "invalid_labels",
      "max_label_names_per_series",
      "label_name_too_long",
      "label_value_too_long",
      "duplicate_label_names",
      "greater_than_max_sample_age",
      "too_far_in_future",
      "line_too_long",
      "disallowed_structured_metadata",
      "structured_metadata_too_large",
      "structured_metadata_too_many",
      "invalid_structured_metadata",
      "missing_enforced_labels",
      "too_far_behind",
      "rate_limited",
      "stream_limit",
      "per_stream_rate_limit",
      "blocked_ingestion",
      "request_body_too_large",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(RejectReason::kCount));
  return kNames[static_cast<size_t>(reason)];
}

void Rejections::add(RejectReason reason, std::string text, uint64_t entries, uint64_t bytes) {
  ++errors_;
  entries_[static_cast<size_t>(reason)] += entries;
  bytes_[static_cast<size_t>(reason)] += bytes;
  if (auto known = index_.find(text); known != index_.end()) {
    ++texts_[known->second].second;
  } else if (texts_.size() < kMaxTexts) {
    index_.emplace(text, texts_.size());
    texts_.emplace_back(std::move(text), 1);
  } else {
    ++untold_;
  }
}

void Rejections::add_last(RejectReason reason, int status, std::string text, uint64_t entries, uint64_t bytes) {
  ++errors_;
  entries_[static_cast<size_t>(reason)] += entries;
  bytes_[static_cast<size_t>(reason)] += bytes;
  status_ = status;
  last_ = std::move(text);
}

std::string Rejections::text() const {
  if (!last_.empty()) return last_;
  if (errors_ == 1) return texts_.front().first;
  std::string out;
  for (const auto& [text, errors] : texts_) out += concat(out.empty() ? "" : "; ", errors, " errors like: ", text);
  if (untold_ > 0) out += concat("; and ", untold_, " further errors");
  return out;
}

std::string too_old_text(std::string_view stream, UnixNanos time, UnixNanos oldest) {
  return concat("entry for stream '", stream, "' has timestamp too old: ", whole_seconds(time),
                ", oldest acceptable timestamp is: ", whole_seconds(oldest));
}

std::string too_new_text(std::string_view stream, UnixNanos time) {
  return concat("entry for stream '", stream, "' has timestamp too new: ", whole_seconds(time));
}

std::string too_far_behind_text(UnixNanos time, UnixNanos oldest) {
  std::string go_form = pipeline::format_rfc3339(time);  // 2026-11-01T09:59:59.999Z -> 2026-11-01 09:59:59.999
  go_form.pop_back();
  if (size_t at = go_form.find('T'); at != go_form.npos) go_form[at] = ' ';
  return concat("entry with timestamp ", go_form,
                " +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: ", whole_seconds(time),
                ", oldest acceptable timestamp is: ", whole_seconds(oldest), "',\n");
}

std::string line_too_long_text(std::string_view stream, uint64_t limit, uint64_t size) {
  return concat("max entry size '", limit, "' bytes exceeded for stream '", stream,
                "' while adding an entry with length '", size, "' bytes");
}

std::string metadata_disallowed_text(std::string_view stream) {
  return concat("stream '", stream, "' includes structured metadata, but this feature is disallowed",
                contact("allow_structured_metadata", "enable"));
}

std::string metadata_too_large_text(std::string_view stream, uint64_t limit, uint64_t size) {
  return concat("stream '", stream, "' has structured metadata too large: '", size, "' bytes, limit: '", limit,
                "' bytes", contact("max_structured_metadata_size", "increase"));
}

std::string metadata_too_many_text(std::string_view stream, uint64_t limit, uint64_t count) {
  return concat("stream '", stream, "' has too many structured metadata labels: '", count, "', limit: '", limit, "'",
                contact("max_structured_metadata_entries_count", "increase"));
}

std::string rate_limited_text(std::string_view tenant, uint64_t limit, uint64_t entries, uint64_t bytes) {
  return concat("ingestion rate limit exceeded for user ", tenant, " (limit: ", limit,
                " bytes/sec) while attempting to ingest '", entries, "' lines totaling '", bytes,
                "' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased");
}

std::string stream_limit_text(std::string_view tenant, std::string_view stream) {
  return concat("maximum active stream limit exceeded when trying to create stream ", stream,
                ", reduce the number of active streams (reduce labels or reduce label values), or contact your Loki "
                "administrator to see if the limit can be increased, user: '",
                tenant, "'");
}

std::string per_stream_rate_text(std::string_view stream, uint64_t limit, uint64_t bytes) {
  return concat("Per stream rate limit exceeded (limit: ", size_text(limit),
                "/sec) while attempting to ingest for stream '", stream, "' totaling ", size_text(bytes),
                ", consider splitting a stream via additional labels or contact your Loki administrator to see if the "
                "limit can be increased");
}

std::string blocked_text(std::string_view tenant, UnixNanos until, uint64_t status) {
  return concat("ingestion blocked for user '", tenant, "' until '", pipeline::format_rfc3339(until),
                "' with status code '", status, "'");
}

std::string missing_labels_text(std::string_view tenant, std::string_view stream, std::string_view names) {
  return concat("missing required labels '", names, "' for user '", tenant, "' for stream '", stream, "' (policy: '')");
}

}  // namespace server
