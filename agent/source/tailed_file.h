// TailedFile: one open file of one source while a shard reads it. Thread: the shard's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "agent/sink/elder_files.h"
#include "agent/source/block_reader.h"
#include "agent/source/file_reader.h"
#include "agent/source/source_metrics.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

struct TailedFile {
  explicit TailedFile(OfferedFile offer) : file(std::move(offer)) {
    cursor.position = cursor.seen = file.position;
    if (file.cut_line_at) cursor.cut_line_at = file.cut_line_at, cursor.seen = *file.cut_line_at;
    gone = file.handle->is_gzip();  // nothing is added to it
    at_rest = file.rotated || gone;
    last_read_time = file.last_read_time;
  }

  // `id` and `identity` change when the file is truncated or its fingerprint grows; `labels` are empty while the file
  // is quiet, where they follow from its path.
  OfferedFile file;
  Cursor cursor;
  uint64_t size_bytes = 0;                            // as of the last look
  std::unique_ptr<pipeline::StageState> stage_state;  // null: the source has no stages
  pipeline::LabelTable::Id label_id = 0;
  uint64_t label_generation = ~uint64_t{0};  // of label_id
  uint64_t kept_end = 0;                     // some bytes below are with some sinks already, from an earlier run
  // Of lines that some sinks have and others do not, by which; while the file is read up to kept_end (kept_lines.cc).
  std::map<uint64_t, std::unique_ptr<pipeline::StageState>> kept_states;

  // Lines that go on in the next file (carried_lines.cc).
  ElderFiles elders;         // in which entries begin that the stages hold
  uint64_t joined_from = 0;  // not passed while they do
  // The stages of a younger file have what this one's held from here on; not passed before it is handed on.
  std::optional<uint64_t> carried_from;
  bool begun = false;      // something of it was read
  bool restaging = false;  // lines of elders are given to other stages at the moment

  bool at_rest = false;     // rotated: a successor may be read once this file is read to its end
  bool gone = false;        // deleted or out of sight: finished when silent for finish_after
  bool condemned = false;   // deleted, and over hold_deleted_bytes: to be released
  bool gzip_ended = false;  // compressed, and read to its end
  bool active = false;      // in the shard's list of polled files
  bool watched = false;     // quiet: inotify will tell, nobody polls
  bool failed = false;      // the last read failed
  bool dirty = false;       // in the shard's list of files with something to read
  bool waits = false;       // dirty, and stands still because a sink is full or a stage limits the rate
  bool holding = false;     // in the shard's list of files whose stages hold entries for a time

  std::chrono::nanoseconds changed_at{0};  // monotonic: last growth, rotation or deletion that we saw
  std::chrono::nanoseconds next_look{0};   // monotonic: not polled before that
  std::shared_ptr<PathMetrics> path_metrics;
  int64_t modified_nanos = 0;  // of a compressed file, as of the last look
  uint64_t lag_bytes = 0;      // as counted in the source's gauge
  uint64_t counted_bytes = 0;  // in path_metrics
  uint64_t held_bytes = 0;     // by its stages, as counted in the memory budget

  pipeline::UnixNanos unread_since = 0;    // wall clock: bytes were there that were not read yet
  pipeline::UnixNanos last_read_time = 0;  // of its last line
  // Read times of its lines are so much behind the wall clock: reading paused while lines were there, and a stage must
  // not take that for a pause of the writer.
  int64_t behind = 0;

  bool is_out_of_reach() const { return gone && !file.handle->is_open(); }  // deleted while it was closed
  bool has_more() const { return size_bytes > cursor.seen; }
  bool has_tail() const { return cursor.seen > cursor.position && !cursor.cut_line_at; }
  bool holds_lines() const {  // in its stages
    auto holds = [](const pipeline::StageState& state) { return state.open_from().has_value(); };
    return (stage_state && holds(*stage_state)) || holds_kept_lines();
  }
  bool holds_kept_lines() const {
    return std::any_of(kept_states.begin(), kept_states.end(),
                       [](const auto& entry) { return entry.second->open_from().has_value(); });
  }
};

}  // namespace agent
