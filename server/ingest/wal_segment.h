// Reading one segment of the write-ahead log, damaged or not.
#pragma once

#include <functional>
#include <string>

#include "pipeline/base/file_system.h"
#include "server/ingest/wal_frame.h"

namespace server {

struct WalSegmentReport {
  uint64_t size = 0;            // of the file
  uint64_t good_end = 0;        // after this offset no whole frame was found: a torn tail, where it is below `size`
  uint64_t damaged_places = 0;  // between whole frames
  uint64_t damaged_bytes = 0;
};

// Calls `on_frame` with every whole frame, in order. Errors: of the file system, of `on_frame`, and kInvalid for
// a segment of a version that is not ours; damage is none.
pipeline::Result<WalSegmentReport> read_wal_segment(pipeline::FileSystem& files, const std::string& path,
                                                    const std::function<pipeline::Result<void>(WalFrame)>& on_frame);

}  // namespace server
