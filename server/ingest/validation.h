// Why parts of a push are refused, and how the refusal reads: Loki's reasons and texts. The limits: limits/.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/base/clock.h"

namespace server {

enum class RejectReason : uint8_t {
  kMissingLabels,
  kInvalidLabels,
  kTooManyLabelNames,
  kLabelNameTooLong,
  kLabelValueTooLong,
  kDuplicateLabelNames,
  kTooOld,
  kTooNew,
  kLineTooLong,
  kMetadataDisallowed,
  kMetadataTooLarge,
  kMetadataTooMany,
  kInvalidMetadata,
  kMissingEnforcedLabels,
  kTooFarBehind,
  kRateLimited,
  kStreamLimit,
  kPerStreamRateLimit,
  kBlocked,
  kBodyTooLarge,
  kCount,
};
std::string_view reject_reason_name(RejectReason reason);  // Loki's: "line_too_long"

// The refusals of one push, by reason and by text.
// Limits: keeps the first kMaxTexts distinct texts; further ones are counted only.
class Rejections {
 public:
  static constexpr size_t kMaxTexts = 100;  // a body of garbage must not get a body of errors back

  // One error of `entries` entries with `bytes` of lines and metadata in sum.
  void add(RejectReason reason, std::string text, uint64_t entries, uint64_t bytes);

  // The same for what is refused after validation: its text and status take the place of all others.
  void add_last(RejectReason reason, int status, std::string text, uint64_t entries, uint64_t bytes);

  bool empty() const { return errors_ == 0; }
  int status() const { return status_; }
  // `text`, or `2 errors like: text; 1 errors like: other text`.
  std::string text() const;
  uint64_t entries(RejectReason reason) const { return entries_[static_cast<size_t>(reason)]; }
  uint64_t bytes(RejectReason reason) const { return bytes_[static_cast<size_t>(reason)]; }

 private:
  std::vector<std::pair<std::string, uint64_t>> texts_;  // in order of appearance, with the number of errors
  std::unordered_map<std::string, size_t> index_;        // in texts_
  uint64_t errors_ = 0, untold_ = 0;
  int status_ = 400;
  std::string last_;  // of add_last()
  std::array<uint64_t, static_cast<size_t>(RejectReason::kCount)> entries_{}, bytes_{};
};

std::string too_old_text(std::string_view stream, pipeline::UnixNanos time, pipeline::UnixNanos oldest);
std::string too_new_text(std::string_view stream, pipeline::UnixNanos time);
std::string too_far_behind_text(pipeline::UnixNanos time, pipeline::UnixNanos oldest);  // one entry, with a line end
std::string line_too_long_text(std::string_view stream, uint64_t limit, uint64_t size);
std::string metadata_disallowed_text(std::string_view stream);
std::string metadata_too_large_text(std::string_view stream, uint64_t limit, uint64_t size);
std::string metadata_too_many_text(std::string_view stream, uint64_t limit, uint64_t count);
std::string rate_limited_text(std::string_view tenant, uint64_t limit, uint64_t entries, uint64_t bytes);
std::string stream_limit_text(std::string_view tenant, std::string_view stream);
std::string per_stream_rate_text(std::string_view stream, uint64_t limit, uint64_t bytes);
std::string blocked_text(std::string_view tenant, pipeline::UnixNanos until, uint64_t status);
std::string missing_labels_text(std::string_view tenant, std::string_view stream, std::string_view names);

}  // namespace server
