#include "server/ingest/push_decoder.h"

#include <algorithm>

#include "pipeline/base/hash.h"
#include "pipeline/codec/push_json.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"
#include "server/ingest/metadata_tidier.h"

namespace server {

using pipeline::Error;
using pipeline::Metadata;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr size_t kKeptBufferBytes = 4 << 20;  // larger buffers are given back after their request

uint64_t bytes_of(std::span<const Metadata> metadata) {
  uint64_t bytes = 0;
  for (const Metadata& pair : metadata) bytes += pair.name.size() + pair.value.size();
  return bytes;
}

class Collector final : public pipeline::PushVisitor {
 public:
  Collector(const PushDecoding& decoding, StreamTable& streams, size_t body_bytes)
      : tenant_(decoding.tenant), rules_(decoding.rules), limits_(rules_.limits()), streams_(streams) {
    constexpr UnixNanos kMin = std::numeric_limits<UnixNanos>::min(), kMax = std::numeric_limits<UnixNanos>::max();
    oldest_ = limits_.reject_old_samples ? decoding.now - limits_.reject_old_samples_max_age.count() : kMin;
    newest_ = limits_.creation_grace_period.count() > 0 ? decoding.now + limits_.creation_grace_period.count() : kMax;
    detects_levels_ = limits_.discover_log_levels && limits_.allow_structured_metadata;
    longest_ = limits_.max_line_size > 0 ? limits_.max_line_size : UINT64_MAX;
    out_.entries.columns.reserve(body_bytes / 128, body_bytes);
  }

  void on_stream(std::string_view labels, size_t entries) override {
    finish_part();
    ++out_.streams;
    verdict_ = nullptr;
    if (entries == 0 || failed_) return;
    auto verdict = streams_.find(tenant_, labels, rules_);
    if (!verdict) {
      failed_ = std::move(verdict).error();
      return;
    }
    verdict_ = *std::move(verdict);
    refused_entries_ = refused_bytes_ = 0;
    begin_ = static_cast<uint32_t>(out_.entries.columns.size());
  }

  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    if (!verdict_) return;
    if (!verdict_->stream) [[unlikely]] {
      ++refused_entries_;
      refused_bytes_ += line.size() + bytes_of(metadata);
      return;
    }
    if (time < oldest_ || time > newest_ || line.size() > longest_ || !metadata.empty()) [[unlikely]] {
      on_unusual_entry(time, line, metadata);
      return;
    }
    if (!detects_levels_) return out_.entries.columns.append(time, line);
    append_with_level(time, line, {});
  }

  Result<DecodedPush> finish(Result<void> decoded) {
    TRY(std::move(decoded));
    finish_part();
    if (failed_) return pipeline::fail(*std::move(failed_));
    return std::move(out_);
  }

 private:
  void on_unusual_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
    const std::string& stream = verdict_->stream->text;
    auto reject = [&](RejectReason reason, std::string text) {
      out_.rejections.add(reason, std::move(text), 1, line.size() + bytes_of(metadata));
    };
    if (time < oldest_) return reject(RejectReason::kTooOld, too_old_text(stream, time, oldest_));
    if (time > newest_) return reject(RejectReason::kTooNew, too_new_text(stream, time));
    if (line.size() > longest_)
      return reject(RejectReason::kLineTooLong, line_too_long_text(stream, longest_, line.size()));
    auto tidy = tidier_.tidy(metadata);
    if (!tidy) return reject(RejectReason::kInvalidMetadata, tidy.error().message);
    if (!tidy->empty()) {
      if (!limits_.allow_structured_metadata)
        return reject(RejectReason::kMetadataDisallowed, metadata_disallowed_text(stream));
      uint64_t size = 0;
      for (const auto& [name, value] : *tidy) size += name.size() + value.size();
      if (uint64_t limit = limits_.max_structured_metadata_size; limit > 0 && size > limit)
        return reject(RejectReason::kMetadataTooLarge, metadata_too_large_text(stream, limit, size));
      if (uint64_t limit = limits_.max_structured_metadata_entries_count; limit > 0 && tidy->size() > limit)
        return reject(RejectReason::kMetadataTooMany, metadata_too_many_text(stream, limit, tidy->size()));
    }
    if (!detects_levels_) return out_.entries.columns.append(time, line, *tidy);
    append_with_level(time, line, *tidy);
  }

  void append_with_level(UnixNanos time, std::string_view line, std::span<const MetadataPair> metadata) {
    EntryColumns& columns = out_.entries.columns;
    const uint64_t before = columns.metadata_bytes();
    if (metadata.empty() && !verdict_->level) {
      columns.append(time, line, LevelDetector::as_metadata(rules_.levels().of_line(line)));
      out_.discovered_bytes += columns.metadata_bytes() - before;
      return;
    }
    pairs_.assign(metadata.begin(), metadata.end());
    auto told =
        std::find_if(pairs_.begin(), pairs_.end(), [](const auto& pair) { return pair.first == kDetectedLevel; });
    if (told != pairs_.end()) {
      told->second = LevelDetector::normalised(told->second);
      return columns.append(time, line, pairs_);
    }
    const std::string_view level = level_of(line, metadata);
    pairs_.emplace_back(kDetectedLevel, level);
    columns.append(time, line, pairs_);
    out_.discovered_bytes += kDetectedLevel.size() + level.size();
  }

  std::string_view level_of(std::string_view line, std::span<const MetadataPair> metadata) const {
    if (verdict_->level) return *verdict_->level;
    if (auto level = rules_.levels().of_metadata(metadata)) return *level;
    return rules_.levels().of_line(line);
  }

  void finish_part() {
    if (!verdict_) return;
    if (!verdict_->stream) {
      if (refused_entries_ > 0) out_.rejections.add(verdict_->reason, verdict_->text, refused_entries_, refused_bytes_);
      return;
    }
    auto end = static_cast<uint32_t>(out_.entries.columns.size());
    if (end == begin_) return;
    auto times = out_.entries.columns.slice(begin_, end).times;
    auto [min, max] = std::minmax_element(times.begin(), times.end());
    out_.entries.parts.push_back({verdict_->stream, begin_, end, *min, *max});
  }

  const std::string_view tenant_;
  const PushRules& rules_;
  const TenantLimits& limits_;
  StreamTable& streams_;
  UnixNanos oldest_, newest_;
  uint64_t longest_;
  bool detects_levels_;
  std::vector<MetadataPair> pairs_;
  MetadataTidier tidier_;

  DecodedPush out_;
  std::optional<Error> failed_;                   // of the labels: everything after is void
  std::shared_ptr<const StreamVerdict> verdict_;  // of the current stream; null: nothing of it counts
  uint32_t begin_ = 0;                            // first row of the current stream
  uint64_t refused_entries_ = 0, refused_bytes_ = 0;
};

}  // namespace

Result<DecodedPush> decode_push_request(PushBodyKind kind, std::string_view body, const PushDecoding& decoding,
                                        StreamTable& streams) {
  thread_local pipeline::ByteBuffer buffer;
  TRY_LET(std::string_view bytes, decoded_push_body(kind, body, decoding.max_raw_bytes, buffer));
  Collector collector(decoding, streams, bytes.size());
  auto decoded = kind.format == BodyFormat::kJson ? pipeline::decode_push_json(bytes, collector)
                                                  : pipeline::decode_push(bytes, collector);
  if (buffer.capacity() > kKeptBufferBytes) buffer = {};
  return collector.finish(std::move(decoded));
}

std::string encode_push(const PushedEntries& entries) {
  std::vector<pipeline::ByteBuffer> buffers(entries.parts.size());
  pipeline::PushBody body;
  std::vector<Metadata> metadata;
  for (size_t i = 0; i < entries.parts.size(); ++i) {
    const auto& part = entries.parts[i];
    EntrySlice slice = entries.columns.slice(part.begin, part.end);
    for (size_t row = 0; row < slice.size(); ++row) {
      metadata.clear();
      for (auto [name, value] : slice.metadata(row)) metadata.push_back({name, value});
      pipeline::append_push_entry(buffers[i], slice.time(row), slice.line(row), metadata);
    }
    body.add_stream(part.stream->text, buffers[i].view());
  }
  auto fragments = body.fragments();
  return pipeline::snappy_compress(fragments);
}

}  // namespace server
