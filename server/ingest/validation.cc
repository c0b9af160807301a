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

std::string Rejections::text() const {
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

}  // namespace server
