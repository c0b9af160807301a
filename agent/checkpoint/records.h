// The values the checkpoint store keeps, as the rest of the agent sees them. Memory only; the bytes on disk are drawn
// in record_codec.h and checkpoint_store.cc.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/shared_text.h"

namespace agent {

// One tailed file, whatever its name is today. Given by the store, never used twice. 0: bytes that are in no file
// (stdin); they have no position and no record.
struct FileId {
  uint64_t value = 0;
  explicit operator bool() const { return value != 0; }
  auto operator<=>(const FileId&) const = default;
};

// Entries of a source that is no file, numbered in the order in which they were taken: the k-th is the bytes [k, k+1).
// Such ids live as long as the program: no record and no position of them is kept.
constexpr uint64_t kFirstStream = uint64_t{1} << 63;
constexpr bool is_stream(FileId id) { return id.value >= kFirstStream; }

// How a file is found again after a restart: (dev, inode, fingerprint of its first bytes), never the path.
struct FileRecord {
  pipeline::SharedText source;  // name of the source that reads it
  uint64_t dev = 0, inode = 0;
  uint64_t fingerprint = 0;  // hash64 of the first fingerprint_length bytes
  uint32_t fingerprint_length = 0;
  pipeline::SharedText path;  // where it was seen last: for messages and as the first place to look
  uint64_t birth_order = 0;
  bool operator==(const FileRecord&) const = default;
};

// How far one sink is with one file: every byte below `position` is acked, dropped on purpose, or in a kept record.
struct FilePosition {
  FileId file;
  uint64_t position = 0;
  pipeline::UnixNanos last_read_time = 0;  // the latest time given to a line of it: later ones must be above
  bool operator==(const FilePosition&) const = default;
};

// Whole lines [begin, end) of a file, newlines included; its k-th line (from 0) was read at first_read_time + k.
struct LineRange {
  uint64_t begin = 0, end = 0;
  pipeline::UnixNanos first_read_time = 0;
  bool operator==(const LineRange&) const = default;
};

// Lines of one file that entered a batch one after the other, and the labels they had before the stages.
struct RecordSegment {
  FileId file;
  std::shared_ptr<const std::string> labels;  // text form; never null
  std::vector<LineRange> ranges;              // in the order in which they were taken; not sorted: see README.md
  // An entry begins in the segment before and ends in this one, which is of the next file: it was rotated in between.
  // The stages take both as one input.
  bool continues = false;
};

struct BatchNumber {
  uint64_t epoch = 0, seq = 0;
  auto operator<=>(const BatchNumber&) const = default;
};

// What is needed to build the same batch again: written before its first sending.
struct BatchRecord {
  BatchNumber number;
  std::string tenant;
  bool acked = false;
  std::vector<RecordSegment> segments;
};

// The name under which the server knows a sink's batches. `epoch` is raised at each start of the agent.
struct Producer {
  std::string uuid;
  uint64_t epoch = 0;
};

// Bytes of a file, below a sink's position, that were dropped on their way to it.
struct DroppedBytes {
  FileId file;
  pipeline::SharedText reason;
  uint64_t bytes = 0;
  pipeline::SharedText detail;  // of the last ones: the server's text
  bool operator==(const DroppedBytes&) const = default;
};

// Entries of streams, and the bytes of their lines.
struct EntryVolume {
  uint64_t entries = 0, bytes = 0;
  void add(const EntryVolume& v) { entries += v.entries, bytes += v.bytes; }
  bool operator==(const EntryVolume&) const = default;
};

// Entries that were dropped, by reason as DroppedBytes.
struct DroppedEntries {
  std::string reason;
  EntryVolume volume;
  std::string detail;
  bool operator==(const DroppedEntries&) const = default;
};

// Entries [first, second) of a stream.
using EntryRange = std::pair<uint64_t, uint64_t>;

// Of the entries in `ranges`, which became `of` entries of a batch, `refused` of these were not taken.
struct LostEntries {
  std::vector<EntryRange> ranges;
  uint64_t refused = 0, of = 0;
  std::string reason, detail;
};

// Why a sink gets no ack; an empty text: it does.
struct SinkFault {
  std::string text;
  pipeline::UnixNanos since = 0;
  bool operator==(const SinkFault&) const = default;
};

// What the store held when it was opened.
struct SinkResume {
  Producer producer;  // epoch already raised
  std::map<FileId, FilePosition> positions;
  std::vector<DroppedBytes> dropped;
  SinkFault fault;
  std::vector<BatchRecord> records;  // by number; acked ones still cover bytes above a position
};
struct Resume {
  std::map<FileId, FileRecord> files;
  std::map<std::string, SinkResume> sinks;  // by sink name
  pipeline::UnixNanos last_written = 0;     // when an earlier run last wrote something; 0: there was none
  // What sources that are no files keep to go on where they were (a journal's cursor): by source name and key.
  std::map<std::string, std::map<std::string, std::string>> cursors;
};

}  // namespace agent

template <>
struct std::hash<agent::FileId> {
  size_t operator()(agent::FileId id) const { return id.value; }
};
