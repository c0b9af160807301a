// What is in a spool's folder, and what is damaged: for `skidway-agent spool`. Reads only, but for repair_segment().
// Thread: any one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/spool/spool_frame.h"
#include "agent/spool/spool_segment.h"
#include "pipeline/base/file_system.h"

namespace agent {

struct SpoolSegmentReport {
  SpoolName name;
  std::string path;
  bool sealed = false;
  uint64_t bytes = 0, frames = 0;
  uint64_t waiting_frames = 0, waiting_entries = 0, waiting_line_bytes = 0;   // neither sent nor dropped
  std::optional<std::pair<pipeline::UnixNanos, pipeline::UnixNanos>> closed;  // of the waiting ones: first, last
  std::vector<std::string> damage;                                            // one text a place; empty: none found
  uint64_t open_end_bytes = 0;  // behind the last whole frame of a segment without index: torn, or being written
};

enum class SpoolCheck { kHeaders, kBodies };

// The segments of one sink's spool, oldest first.
pipeline::Result<std::vector<SpoolName>> list_spool(pipeline::FileSystem& files, const std::string& folder);
// `on_waiting` is told the frames that are neither sent nor dropped.
pipeline::Result<SpoolSegmentReport> inspect_segment(pipeline::FileSystem& files, const std::string& folder,
                                                     const SpoolName& name, SpoolCheck check,
                                                     const std::function<void(const SpoolEntry&)>& on_waiting = {});

// Calls `on_frame` with each whole frame that waits, oldest first.
pipeline::Result<void> read_segment(pipeline::FileSystem& files, const std::string& folder, const SpoolName& name,
                                    const std::function<void(SpoolFrame)>& on_frame);

// Writes a new segment of the whole frames that wait, and keeps the old one as NAME.damaged; the others are lost. The
// caller holds the folder's lock. Returns how many frames were kept.
pipeline::Result<uint64_t> repair_segment(pipeline::FileSystem& files, const std::string& folder,
                                          const SpoolName& name);

}  // namespace agent
