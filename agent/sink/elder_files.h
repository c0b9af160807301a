// ElderFiles: files that a program wrote before the one that is read, and that hold the begin of an entry which ends in
// this one: a line in pieces, or a block of lines, that a rotation has cut in two.
//
// The origins of such an entry are addresses: bytes of the file that is read as they are, those of its elders below 0
// (pipeline/stage/stage.h). Thread: one; they are copied where others need them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/kept_ranges.h"
#include "pipeline/model/batch.h"

namespace agent {

class FileHandle;

struct ElderFile {
  FileId file;
  uint64_t begin = 0;                  // the address of its first byte
  uint64_t end = 0;                    // what was read of it, in bytes
  std::shared_ptr<FileHandle> handle;  // for whoever reads it again
};
using ElderFiles = std::vector<ElderFile>;  // oldest first

// What an address means: bytes of which file.
struct FileBytes {
  FileId file;
  const ElderFile* elder = nullptr;  // null: the file that is read
  pipeline::ByteRange range;
};
FileBytes locate(const ElderFiles* elders, FileId file, const pipeline::ByteRange& address);

inline bool is_in_elder(uint64_t address) { return static_cast<int64_t>(address) < 0; }

// Are all lines that an entry is made of kept? `kept_of(file)`: what is kept of a file, or null.
template <class KeptOf>
bool is_kept(const ElderFiles* elders, FileId file, std::span<const pipeline::ByteRange> origins, KeptOf kept_of) {
  for (const pipeline::ByteRange& origin : origins) {
    const FileBytes bytes = locate(elders, file, origin);
    const KeptRanges::OfFile* kept = kept_of(bytes.file);
    if (kept == nullptr || !kept->has(bytes.range)) return false;
  }
  return true;
}

}  // namespace agent
