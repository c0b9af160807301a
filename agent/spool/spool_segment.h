// Reading one segment of the spool, damaged or not. Thread: any one.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "agent/spool/spool_frame.h"
#include "pipeline/base/file_system.h"

namespace agent {

struct SpoolSegmentIndex {
  std::vector<SpoolEntry> entries;  // of frames whose header is whole; in order of their offsets
  bool sealed = false;              // read from its own index: then the rest says nothing of damage
  uint64_t size = 0;                // of the file
  uint64_t good_end = 0;            // after this offset no frame was found
  uint64_t damaged_places = 0;      // between frames
  uint64_t damaged_bytes = 0;
};

// Reads the segment's index, or the headers of its frames where it has none, by one read per MiB at most. Bodies are
// not looked at. Errors: of the file system; damage is none.
pipeline::Result<SpoolSegmentIndex> read_spool_index(const pipeline::File& file, uint64_t salt);
// The same, always from the headers.
pipeline::Result<SpoolSegmentIndex> scan_spool_segment(const pipeline::File& file, uint64_t salt);

// kCorrupt: header or body are not what their sums say.
pipeline::Result<SpoolFrame> read_spool_frame(const pipeline::File& file, const SpoolEntry& entry, uint64_t salt);

// Offsets of the frames that are sent or dropped. `path`: of the marks; absent: none.
pipeline::Result<std::unordered_set<uint64_t>> read_spool_marks(pipeline::FileSystem& files, const std::string& path,
                                                                uint64_t salt);

}  // namespace agent
