#include "agent/sink/batch_parts.h"

#include <algorithm>

#include "agent/sink/body_encoding.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/model/label_set.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::ByteBuffer;
using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Metadata;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {
Result<void> visit(const ClosedBatch& batch, pipeline::PushVisitor& visitor) {
  ByteBuffer plain;
  TRY(uncompress_body(*batch.body, batch.encoding, plain));
  return pipeline::decode_push(plain.view(), visitor);
}

class Counter final : public pipeline::PushVisitor {
 public:
  std::vector<std::pair<std::string, uint64_t>> streams;
  uint64_t entries = 0;

  void on_stream(std::string_view labels, size_t) override { streams.emplace_back(labels, 0); }
  void on_entry(UnixNanos, std::string_view, std::span<const Metadata>) override { streams.back().second++, entries++; }
};

// One half being written.
struct Half {
  struct Stream {
    std::string labels;
    ByteBuffer entries;
  };
  std::vector<Stream> streams;
  SinkMetrics::Volume volume;

  ClosedBatch close(const ClosedBatch& whole, BatchNumber number) const {
    pipeline::PushBody body;
    for (const Stream& stream : streams) body.add_stream(stream.labels, stream.entries.view());
    ClosedBatch half;
    half.number = number;
    half.tenant = whole.tenant;
    half.encoding = whole.encoding;
    half.body = std::make_shared<const std::string>(compress_body(body.fragments(), whole.encoding));
    half.record = std::make_shared<const BatchRecord>(BatchRecord{number, whole.tenant, false, {}});
    half.hold = whole.hold;
    half.volume = volume;
    half.closed_at = whole.closed_at;
    return half;
  }
};

class Splitter final : public pipeline::PushVisitor {
 public:
  explicit Splitter(uint64_t first_entries) : first_entries_(first_entries) {}
  Half first, second;

  void on_stream(std::string_view labels, size_t) override { labels_ = labels, begun_ = nullptr; }
  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    Half& half = seen_++ < first_entries_ ? first : second;
    if (begun_ != &half) {
      half.streams.push_back({std::string(labels_), {}});
      begun_ = &half;
    }
    pipeline::append_push_entry(half.streams.back().entries, time, line, metadata);
    half.volume.entries++, half.volume.bytes += line.size();
  }

 private:
  const uint64_t first_entries_;
  uint64_t seen_ = 0;
  std::string_view labels_;
  Half* begun_ = nullptr;  // has the stream already
};

// Servers add labels of their own (service_name) and write sets with other blanks.
bool is_same_stream(std::string_view sent, std::string_view told) {
  auto ours = LabelSet::parse(sent), theirs = LabelSet::parse(told);
  if (!ours || !theirs) return sent == told;
  return std::all_of(ours->labels().begin(), ours->labels().end(), [&](const auto& label) {
    return std::find(theirs->labels().begin(), theirs->labels().end(), label) != theirs->labels().end();
  });
}

class JsonWriter final : public pipeline::PushVisitor {
 public:
  JsonWriter(const std::vector<Refusal>& refusals, const std::string& more) : refusals_(refusals), more_(more) {
    all_ = std::any_of(refusals.begin(), refusals.end(), [](const Refusal& r) { return r.stream.empty(); });
    all_ = all_ || refusals.empty();
  }
  std::string out;

  void on_stream(std::string_view labels, size_t) override {
    labels_ = LabelSet::parse(labels).value_or(LabelSet());
    wanted_ = all_ || std::any_of(refusals_.begin(), refusals_.end(),
                                  [&](const Refusal& refusal) { return is_same_stream(labels, refusal.stream); });
  }
  void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) override {
    if (!wanted_) return;
    pipeline::append_entry_json(out, time, labels_, line, {metadata.begin(), metadata.end()});
    out.resize(out.size() - 2);  // "}\n"
    out += more_;
    out += "}\n";
  }

 private:
  const std::vector<Refusal>& refusals_;
  const std::string& more_;
  LabelSet labels_;
  bool all_ = false, wanted_ = false;
};
}  // namespace

Result<std::pair<ClosedBatch, ClosedBatch>> split_batch(const ClosedBatch& batch, BatchNumber first,
                                                        BatchNumber second) {
  Counter counter;
  TRY(visit(batch, counter));
  if (counter.entries < 2) return fail(Errc::kOverLimit, "one entry is not split");
  Splitter splitter(counter.entries / 2);
  TRY(visit(batch, splitter));
  return std::pair(splitter.first.close(batch, first), splitter.second.close(batch, second));
}

std::map<std::string, uint64_t> count_refused(const ClosedBatch& batch, const std::vector<Refusal>& refusals) {
  Counter counter;
  bool whole_streams = std::any_of(refusals.begin(), refusals.end(), [](const Refusal& r) { return r.entries == 0; });
  bool visited = whole_streams && visit(batch, counter).has_value();
  std::map<std::string, uint64_t> refused;
  uint64_t left = batch.volume.entries;
  for (const Refusal& refusal : refusals) {
    uint64_t entries = refusal.entries;
    if (entries == 0 && (!visited || refusal.stream.empty())) entries = left;  // of which stream is not told
    if (entries == 0) {
      for (const auto& [labels, count] : counter.streams)
        if (is_same_stream(labels, refusal.stream)) entries += count;
      if (entries == 0) entries = left;  // a stream that we do not know: nothing is said to be stored that may not be
    }
    entries = std::min(entries, left);
    left -= entries;
    refused[refusal.reason] += entries;
  }
  return refused;
}

Result<std::string> batch_as_json(const ClosedBatch& batch, const std::vector<Refusal>& refusals,
                                  const std::string& more) {
  JsonWriter writer(refusals, more);
  TRY(visit(batch, writer));
  if (writer.out.empty() && !refusals.empty()) return batch_as_json(batch, {}, more);  // none of these streams is ours
  return std::move(writer.out);
}

}  // namespace agent
