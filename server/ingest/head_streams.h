// HeadStreams: the streams of one tenant with their entries, packed: 24 bytes for a stream and 40 for each run of its
// entries, beside the entries themselves and what Stream takes. Streams are numbered as they came.
//
//   for (const HeadStream& stream : streams)
//     for (const HeadRun& run : stream.runs) ...
//
// Life:    what it hands out looks at it, but a HeadRun keeps its entries alive by itself.
// Thread:  one at a time while it grows; then any. A copy shares the entries.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/ingest/stream.h"
#include "server/store/columns.h"

namespace server {

// Entries of one stream, in order of arrival: not sorted by time, equal entries may repeat. `owner` keeps the memory
// alive that `entries` looks at (shared with other runs, also of other streams).
struct HeadRun {
  std::shared_ptr<const void> owner;
  EntrySlice entries;
  pipeline::UnixNanos min_time = 0, max_time = 0;  // both ends count
};

class HeadStreams;

// The runs of one stream, in order of arrival. They are put together when they are looked at.
class HeadRuns {
 public:
  class Iterator {
   public:
    using value_type = HeadRun;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator(const HeadStreams* all, uint32_t run) : all_(all), run_(run) {}
    HeadRun operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& o) const { return run_ == o.run_; }

   private:
    const HeadStreams* all_;
    uint32_t run_;
  };
  HeadRuns(const HeadStreams* all, uint32_t first) : all_(all), first_(first) {}
  Iterator begin() const { return {all_, first_}; }
  Iterator end() const;

 private:
  const HeadStreams* all_;
  uint32_t first_;
};

struct HeadStream {
  const std::shared_ptr<const Stream>& stream;
  HeadRuns runs;
};

class HeadStreams {
 public:
  static constexpr size_t kStreamBytes = 24, kRunBytes = 40;

  // Entries that runs will be pieces of; `owner` keeps them alive. Returns their number.
  uint32_t add_entries(std::shared_ptr<const void> owner, const EntrySlice& entries);
  uint32_t add_stream(std::shared_ptr<const Stream> stream);
  // Rows [first, first + rows) of these entries belong to the stream. `metadata`: some of them have any.
  struct Rows {
    uint32_t entries = 0, first = 0, rows = 0;
    bool metadata = false;
    pipeline::UnixNanos min_time = 0, max_time = 0;
  };
  void add_run(uint32_t stream, const Rows& rows);
  // A stream that has one run.
  void add(std::shared_ptr<const Stream> stream, const HeadRun& run);

  size_t size() const { return streams_.size(); }
  bool empty() const { return streams_.empty(); }
  HeadStream operator[](size_t stream) const {
    return {streams_[stream].stream, HeadRuns(this, streams_[stream].first_run)};
  }
  HeadRun last_run(uint32_t stream) const { return run(streams_[stream].last_run); }

  class Iterator {
   public:
    using value_type = HeadStream;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator(const HeadStreams* all, size_t at) : all_(all), at_(at) {}
    HeadStream operator*() const { return (*all_)[at_]; }
    Iterator& operator++() { return ++at_, *this; }
    bool operator==(const Iterator& o) const { return at_ == o.at_; }

   private:
    const HeadStreams* all_;
    size_t at_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, streams_.size()}; }

 private:
  friend class HeadRuns;
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entries {
    std::shared_ptr<const void> owner;
    EntrySlice all;
  };
  struct Of {
    std::shared_ptr<const Stream> stream;
    uint32_t first_run = kNone, last_run = kNone;
  };
  struct Run {
    uint32_t entries, first, rows;
    uint32_t next;  // of the same stream, or kNone
    pipeline::UnixNanos min_time, max_time;
    bool metadata;
  };
  HeadRun run(uint32_t number) const;

  std::vector<Entries> entries_;
  std::vector<Of> streams_;
  std::vector<Run> runs_;
};

inline HeadRun HeadRuns::Iterator::operator*() const { return all_->run(run_); }
inline HeadRuns::Iterator& HeadRuns::Iterator::operator++() { return run_ = all_->runs_[run_].next, *this; }
inline HeadRuns::Iterator HeadRuns::end() const { return {all_, HeadStreams::kNone}; }

// Finds the streams of a HeadStreams by their ids.
class StreamIndex {
 public:
  static constexpr size_t kBytesPerStream = 8;

  // The number of the stream; one that is new is added to both.
  uint32_t place(HeadStreams& streams, const std::shared_ptr<const Stream>& stream);

 private:
  void grow(const HeadStreams& streams);
  std::vector<uint32_t> slots_;  // numbers of streams + 1; 0: free
};

}  // namespace server
