// KeptRanges: bytes of an earlier run that a sink must not take from the reader again: those below its position, and
// those of kept records (acked, or being rebuilt) above it. Immutable after the start. Thread: any.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/checkpoint/records.h"
#include "pipeline/model/batch.h"

namespace agent {

class KeptRanges {
 public:
  explicit KeptRanges(const SinkResume& resume);

  // What is kept of one file; null: nothing, take everything.
  class OfFile {
   public:
    // Is the entry that begins with `first` kept?
    bool has(const pipeline::ByteRange& first) const;
    // Are all lines that an entry is made of kept? Stages may now join lines to others than in the earlier run: an
    // entry with a line that is not kept is taken, as twice is better than never.
    bool has_all(std::span<const pipeline::ByteRange> origins) const;
    uint64_t end() const;  // nothing is kept from here on

   private:
    friend class KeptRanges;
    uint64_t position_ = 0;
    std::unique_ptr<std::vector<pipeline::ByteRange>> ranges_;  // sorted, apart; null: none, as of most files
  };
  const OfFile* of(FileId file) const;

 private:
  IdMap<FileId, OfFile> files_;
};

}  // namespace agent
