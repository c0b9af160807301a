#include "server/ingest/push_decoder.h"

#include <algorithm>

#include "pipeline/base/hash.h"
#include "pipeline/codec/otlp_json.h"
#include "pipeline/codec/otlp_reader.h"
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
      : tenant_(decoding.tenant),
        rules_(decoding.rules),
        limits_(rules_.limits()),
        streams_(streams),
        activity_(decoding.activity),
        monotonic_(decoding.monotonic),
        backfill_shard_(decoding.backfill_shard),
        known_levels_(decoding.line_levels) {
    constexpr UnixNanos kMax = std::numeric_limits<UnixNanos>::max();
    oldest_ = backfill_shard_.empty() ? limits_.oldest_accepted(decoding.now) : oldest_of_backfill(decoding.now);
    newest_ = limits_.creation_grace_period.count() > 0 ? decoding.now + limits_.creation_grace_period.count() : kMax;
    detects_levels_ = limits_.discover_log_levels && limits_.allow_structured_metadata;
    watches_order_ = activity_ != nullptr && limits_.out_of_order_window.count() > 0;
    always_unusual_ = watches_order_ || limits_.increment_duplicate_timestamp;
    longest_ = limits_.max_line_size > 0 ? limits_.max_line_size : UINT64_MAX;
    if (decoding.pool) {
      auto [columns, text_room] = decoding.pool->take(body_bytes);
      out_.entries.columns = std::move(columns);
      out_.entries.pool = decoding.pool;
      out_.entries.text_room = text_room;
    }
    out_.entries.columns.reserve(body_bytes / 128, body_bytes);
  }

  void on_stream(std::string_view labels, size_t entries) override {
    finish_part();
    if (entries > 0 || counts_empty_streams_) ++out_.streams;
    verdict_ = nullptr;
    if (entries == 0 || failed_) return;
    if (!backfill_shard_.empty()) labels = add_backfill_labels(labels);
    auto verdict = streams_.find(tenant_, labels, rules_);
    if (!verdict) {
      failed_ = std::move(verdict).error();
      return;
    }
    verdict_ = *std::move(verdict);
    refused_entries_ = refused_bytes_ = 0;
    newest_entry_ =
        watches_order_ && verdict_->stream ? activity_->newest(tenant_, verdict_->stream->id) : std::nullopt;
    late_ = seen_ = 0;
    late_text_.clear();
    last_sent_.reset();
    begin_ = static_cast<uint32_t>(out_.entries.columns.size());
    counted_metadata_ = 0;
  }

  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    ++told_;
    if (!verdict_) return;
    refusal_ = nullptr;
    if (!verdict_->stream) [[unlikely]] {
      ++refused_entries_;
      refused_bytes_ += line.size() + bytes_of(metadata);
      refusal_ = &verdict_->text;
      return;
    }
    if (time < oldest_ || time > newest_ || line.size() > longest_ || !metadata.empty() || always_unusual_)
        [[unlikely]] {
      on_unusual_entry(time, line, metadata);
      return;
    }
    if (!detects_levels_) return out_.entries.columns.append(time, line);
    append_with_level(time, line, {});
  }

  void count_only_streams_with_entries() { counts_empty_streams_ = false; }  // as Loki of OTLP exports

  // Why the last entry was refused; null: it was taken. Holds until the next one.
  const std::string* refusal() const { return refusal_; }

  Result<DecodedPush> finish(Result<void> decoded) {
    TRY(std::move(decoded));
    finish_part();
    if (failed_) return pipeline::fail(*std::move(failed_));
    return std::move(out_);
  }

 private:
  // Only retention bounds it.
  UnixNanos oldest_of_backfill(UnixNanos now) const {
    TenantLimits limits = limits_;
    limits.reject_old_samples = false;
    return limits.oldest_accepted(now);
  }

  // A text that does not parse stays as it is: it is refused with its own words.
  std::string_view add_backfill_labels(std::string_view labels) {
    auto parsed = pipeline::LabelSet::parse(labels);
    if (!parsed) return labels;
    out_.rewritten = true;
    backfill_labels_ = parsed->with("__backfill__", "true").with("__backfill_shard__", backfill_shard_).text();
    return backfill_labels_;
  }

  void on_unusual_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
    const auto stream = [this] { return verdict_->stream->text(); };
    auto reject = [&](RejectReason reason, std::string text) {
      refusal_text_ = text;
      refusal_ = &refusal_text_;
      out_.rejections.add(reason, std::move(text), 1, line.size() + bytes_of(metadata));
    };
    if (time < oldest_) return reject(RejectReason::kTooOld, too_old_text(stream(), time, oldest_));
    if (time > newest_) return reject(RejectReason::kTooNew, too_new_text(stream(), time));
    if (line.size() > longest_ && limits_.max_line_size_truncate) {
      line = truncated(line);
    } else if (line.size() > longest_) {
      return reject(RejectReason::kLineTooLong, line_too_long_text(stream(), longest_, line.size()));
    }
    auto tidy = tidier_.tidy(metadata);
    if (!tidy) return reject(RejectReason::kInvalidMetadata, tidy.error().message);
    if (!tidy->empty()) {
      if (!limits_.allow_structured_metadata)
        return reject(RejectReason::kMetadataDisallowed, metadata_disallowed_text(stream()));
      uint64_t size = 0;
      for (const auto& [name, value] : *tidy) size += name.size() + value.size();
      if (uint64_t limit = limits_.max_structured_metadata_size; limit > 0 && size > limit)
        return reject(RejectReason::kMetadataTooLarge, metadata_too_large_text(stream(), limit, size));
      if (uint64_t limit = limits_.max_structured_metadata_entries_count; limit > 0 && tidy->size() > limit)
        return reject(RejectReason::kMetadataTooMany, metadata_too_many_text(stream(), limit, tidy->size()));
    }
    if (watches_order_ && !in_order(time, line.size() + bytes_of(metadata))) return;
    for (const auto& [name, value] : *tidy)
      if (name != kDetectedLevel) counted_metadata_ += name.size() + value.size();
    if (limits_.increment_duplicate_timestamp) time = made_unique(time);
    if (!detects_levels_) return out_.entries.columns.append(time, line, *tidy);
    append_with_level(time, line, *tidy);
  }

  std::string_view truncated(std::string_view line) {
    const std::string& mark = limits_.max_line_size_truncate_identifier;
    cut_line_.assign(line.substr(0, longest_ - std::min<uint64_t>(longest_, mark.size())));
    cut_line_ += mark;
    out_.rewritten = true;
    ++out_.cut_lines;
    out_.cut_bytes += line.size() - longest_;
    return cut_line_;
  }

  // Of entries with one time, one behind the other in one stream, each is 1 ns later than the last.
  UnixNanos made_unique(UnixNanos time) {
    if (last_sent_ == time) {
      out_.rewritten = true;
      return ++last_given_;
    }
    last_sent_ = last_given_ = time;
    return time;
  }

  bool in_order(UnixNanos time, uint64_t bytes) {
    constexpr uint64_t kTold = 10;  // Loki's ingester.max-ignored-stream-errors
    ++seen_;
    const int64_t window = limits_.out_of_order_window.count();
    if (!newest_entry_ || time >= *newest_entry_ - window) {
      newest_entry_ = std::max(newest_entry_.value_or(time), time);
      return true;
    }
    refusal_text_ = too_far_behind_text(time, *newest_entry_ - window);
    refusal_ = &refusal_text_;
    if (late_++ < kTold) late_text_ += refusal_text_;
    late_bytes_ += bytes;
    return false;
  }

  void tell_late() {
    if (!watches_order_) return;
    if (newest_entry_) activity_->set_newest(tenant_, verdict_->stream->id, *newest_entry_, monotonic_);
    if (late_ == 0) return;
    std::string text = pipeline::concat(late_text_, "user '", tenant_, "', total ignored: ", late_, " out of ", seen_,
                                        " for stream: ", verdict_->stream->text());
    out_.rejections.add_last(RejectReason::kTooFarBehind, 400, std::move(text), late_, late_bytes_);
    late_bytes_ = 0;
  }

  void append_with_level(UnixNanos time, std::string_view line, std::span<const MetadataPair> metadata) {
    EntryColumns& columns = out_.entries.columns;
    if (metadata.empty() && !verdict_->level) {
      const auto known = known_levels_ ? known_levels_->number_of(told_ - 1) : std::nullopt;
      return columns.append(
          time, line, known ? LevelDetector::as_metadata(*known) : LevelDetector::as_metadata(level_of_line(line)));
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
  }

  std::string_view level_of(std::string_view line, std::span<const MetadataPair> metadata) {
    if (verdict_->level) return *verdict_->level;
    if (auto level = rules_.levels().of_metadata(metadata)) return *level;
    return level_of_line(line);
  }

  std::string_view level_of_line(std::string_view line) {
    if (known_levels_)
      if (auto level = known_levels_->of(told_ - 1)) return *level;
    const std::string_view level = rules_.levels().of_line(line);
    out_.line_levels.note(told_ - 1, level);
    return level;
  }

  void finish_part() {
    if (!verdict_) return;
    if (!verdict_->stream) {
      if (refused_entries_ > 0) out_.rejections.add(verdict_->reason, verdict_->text, refused_entries_, refused_bytes_);
      return;
    }
    tell_late();
    auto end = static_cast<uint32_t>(out_.entries.columns.size());
    if (end == begin_) return;
    const EntrySlice slice = out_.entries.columns.slice(begin_, end);
    auto [min, max] = std::minmax_element(slice.times.begin(), slice.times.end());
    out_.entries.parts.push_back({verdict_->stream, begin_, end, *min, *max, slice.line_bytes() + counted_metadata_});
  }

  const std::string_view tenant_;
  const PushRules& rules_;
  const TenantLimits& limits_;
  StreamTable& streams_;
  StreamActivity* const activity_;
  const std::chrono::nanoseconds monotonic_;
  const std::string_view backfill_shard_;
  const LineLevels* const known_levels_;
  size_t told_ = 0;  // entries so far, whatever became of them
  std::string backfill_labels_;
  bool counts_empty_streams_ = true;
  bool watches_order_ = false, always_unusual_ = false;
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
  uint64_t counted_metadata_ = 0;  // of the current stream, as counted_bytes

  std::string cut_line_, refusal_text_;
  const std::string* refusal_ = nullptr;
  std::optional<UnixNanos> newest_entry_;  // of the current stream, as far as known
  uint64_t late_ = 0, late_bytes_ = 0, seen_ = 0;
  std::string late_text_;
  std::optional<UnixNanos> last_sent_;  // for made_unique()
  UnixNanos last_given_ = 0;
};

// Documents are told stream by stream; notes which of them were taken.
class DocumentNotes final : public pipeline::PushVisitor {
 public:
  DocumentNotes(Collector& collector, const DecodedDocuments& documents, std::vector<DocumentOutcome>& outcomes)
      : collector_(collector), documents_(documents), outcomes_(outcomes) {}
  void on_stream(std::string_view labels, size_t entries) override { collector_.on_stream(labels, entries); }
  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    collector_.on_entry(time, line, metadata);
    if (const std::string* refusal = collector_.refusal()) outcomes_[documents_.outcome_of(told_)].refuse(*refusal);
    ++told_;
  }

 private:
  Collector& collector_;
  const DecodedDocuments& documents_;
  std::vector<DocumentOutcome>& outcomes_;
  size_t told_ = 0;
};

Result<void> decode_documents(BodyFormat format, std::string_view bytes, const PushDecoding& decoding,
                              Collector& collector, std::vector<DocumentOutcome>& outcomes) {
  TRY_LET(DecodedDocuments documents, format == BodyFormat::kBulk
                                          ? read_bulk(bytes, *decoding.documents, decoding.now)
                                          : read_json_lines(bytes, *decoding.documents, decoding.now));
  outcomes = documents.outcomes();
  DocumentNotes notes(collector, documents, outcomes);
  documents.tell(notes);
  return {};
}

Result<void> decode_otlp(BodyFormat format, std::string_view bytes, const PushDecoding& decoding,
                         Collector& collector) {
  collector.count_only_streams_with_entries();
  pipeline::OtlpEntries entries(decoding.rules.otlp(), decoding.now, collector);
  TRY(format == BodyFormat::kOtlpJson ? pipeline::decode_otlp_json(bytes, entries)
                                      : pipeline::decode_otlp(bytes, entries));
  entries.finish();
  return {};
}

}  // namespace

Result<DecodedPush> decode_push_request(PushBodyKind kind, std::string_view body, const PushDecoding& decoding,
                                        StreamTable& streams) {
  thread_local pipeline::ByteBuffer buffer;
  TRY_LET(std::string_view bytes, decoded_push_body(kind, body, decoding.max_raw_bytes, buffer));
  Collector collector(decoding, streams, bytes.size());
  std::vector<DocumentOutcome> outcomes;
  auto decode = [&]() -> Result<void> {
    switch (kind.format) {
      case BodyFormat::kJson: return pipeline::decode_push_json(bytes, collector);
      case BodyFormat::kLegacyJson: return pipeline::decode_legacy_push_json(bytes, collector);
      case BodyFormat::kOtlpProtobuf:
      case BodyFormat::kOtlpJson: return decode_otlp(kind.format, bytes, decoding, collector);
      case BodyFormat::kBulk:
      case BodyFormat::kJsonLines: return decode_documents(kind.format, bytes, decoding, collector, outcomes);
      default: return pipeline::decode_push(bytes, collector);
    }
  };
  auto decoded = decode();
  if (buffer.capacity() > kKeptBufferBytes) buffer = {};
  TRY_LET(DecodedPush push, collector.finish(std::move(decoded)));
  push.outcomes = std::move(outcomes);
  return push;
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
    body.add_stream(part.stream->text(), buffers[i].view());
  }
  auto fragments = body.fragments();
  return pipeline::snappy_compress(fragments);
}

}  // namespace server
