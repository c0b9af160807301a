// OpenBatch: the push request being filled: entries by stream, already in wire form, and the record of the bytes they
// came from.
//
// Streams stand in the body in the order in which they were first met, entries in the order added, so the same calls
// give the same bytes. After take() the object is empty and keeps its memory, up to twice `keep_bytes`.
// Thread: one (the port's).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/equal_entries.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/byte_buffer.h"
#include "pipeline/model/batch.h"

namespace agent {

class OpenBatch {
 public:
  OpenBatch(std::string tenant, uint64_t keep_bytes) : tenant_(std::move(tenant)), keep_bytes_(keep_bytes) {}

  const std::string& tenant() const { return tenant_; }
  bool empty() const { return volume_.entries == 0; }
  uint64_t size_bytes() const { return size_bytes_; }  // about what the body will have before compression
  const SinkMetrics::Volume& volume() const { return volume_; }

  // The place of a stream; valid while generation() stays, also in later batches.
  uint32_t stream(const std::string& labels);
  uint64_t generation() const { return generation_; }

  void add(uint32_t stream, pipeline::UnixNanos time, std::string_view line,
           std::span<const pipeline::Metadata> metadata);
  // Says that the entry added last is made of these bytes of `file`, whose lines have `labels` before the stages. True:
  // no byte of the file as low as `origin.begin` was in this batch before.
  // `continues`: the entry begins with what was noted before, perhaps of another file.
  bool note(FileId file, const std::shared_ptr<const std::string>& labels, const pipeline::ByteRange& origin,
            bool continues = false);
  // The same for the entry of a stream, made of its entries [begin, end): nothing of it is recorded.
  bool note_stream(FileId stream, uint64_t begin, uint64_t end);

  struct Content {
    std::string body;  // compressed
    std::vector<RecordSegment> segments;
    std::vector<FileId> files;
    std::vector<EntryRange> entries;  // of the stream, if that is what it was made of
    SinkMetrics::Volume volume;
  };
  Content take(Compression compression);

 private:
  struct Stream {
    std::string labels;
    pipeline::ByteBuffer entries;
    pipeline::UnixNanos last_time = 0;  // the highest
    EqualEntries equal;
  };
  std::string encode(Compression compression) const;
  void empty_streams();

  std::string tenant_;
  uint64_t keep_bytes_;
  std::deque<Stream> streams_;
  std::unordered_map<std::string_view, uint32_t> by_labels_;  // views into streams_
  std::vector<uint32_t> used_;                                // streams of this batch, in order
  uint64_t generation_ = 1;
  uint64_t size_bytes_ = 0;
  SinkMetrics::Volume volume_;
  std::vector<RecordSegment> segments_;
  pipeline::UnixNanos next_read_time_ = 0;           // that continues the last range
  std::vector<std::pair<FileId, uint64_t>> begins_;  // per file the lowest byte
  size_t current_ = 0;                               // the file of the last segment, in begins_
  std::vector<EntryRange> entries_;                  // of a stream: a batch has one at most
};

}  // namespace agent
