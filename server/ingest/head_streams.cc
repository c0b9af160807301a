#include "server/ingest/head_streams.h"

namespace server {

uint32_t HeadStreams::add_entries(std::shared_ptr<const void> owner, const EntrySlice& entries) {
  entries_.push_back({std::move(owner), entries});
  return static_cast<uint32_t>(entries_.size() - 1);
}

uint32_t HeadStreams::add_stream(std::shared_ptr<const Stream> stream) {
  streams_.push_back({std::move(stream)});
  return static_cast<uint32_t>(streams_.size() - 1);
}

void HeadStreams::add_run(uint32_t stream, const Rows& rows) {
  const auto number = static_cast<uint32_t>(runs_.size());
  runs_.push_back({rows.entries, rows.first, rows.rows, kNone, rows.min_time, rows.max_time, rows.metadata});
  Of& of = streams_[stream];
  (of.last_run == kNone ? of.first_run : runs_[of.last_run].next) = number;
  of.last_run = number;
}

void HeadStreams::add(std::shared_ptr<const Stream> stream, const HeadRun& run) {
  const uint32_t entries = add_entries(run.owner, run.entries);
  add_run(add_stream(std::move(stream)), {entries, 0, static_cast<uint32_t>(run.entries.size()),
                                          run.entries.has_metadata(), run.min_time, run.max_time});
}

HeadRun HeadStreams::run(uint32_t number) const {
  const Run& run = runs_[number];
  const Entries& from = entries_[run.entries];
  HeadRun out{from.owner, from.all.slice(run.first, run.first + run.rows), run.min_time, run.max_time};
  if (!run.metadata) out.entries.metadata_offsets = {}, out.entries.metadata_text = nullptr;
  return out;
}

uint32_t StreamIndex::place(HeadStreams& streams, const std::shared_ptr<const Stream>& stream) {
  if (slots_.size() < 2 * (streams.size() + 1)) grow(streams);
  const size_t mask = slots_.size() - 1;
  for (size_t at = stream->id.low & mask;; at = (at + 1) & mask) {
    uint32_t& slot = slots_[at];
    if (slot == 0) {
      const uint32_t number = streams.add_stream(stream);
      slot = number + 1;
      return number;
    }
    if (streams[slot - 1].stream->id == stream->id) return slot - 1;
  }
}

void StreamIndex::grow(const HeadStreams& streams) {
  constexpr size_t kFirstSlots = 64;
  slots_.assign(std::max(kFirstSlots, 2 * slots_.size()), 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t number = 0; number < streams.size(); ++number) {
    size_t at = streams[number].stream->id.low & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = number + 1;
  }
}

}  // namespace server
