// EqualEntries: finds entries of one stream in one batch that are equal in time, line and metadata, so that each gets a
// time of its own: the n-th of equal ones +n ns (interfaces.md: Loki keeps only one of equal entries).
//
// Works on the encoded bytes, which are equal exactly if the entries are. Does nothing while times rise strictly: the
// bytes already there are looked through when the first entry comes that does not.
// Thread: one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/clock.h"
#include "pipeline/model/batch.h"

namespace agent {

class EqualEntries {
 public:
  // Appends the entry to `stream` (which holds all entries of the batch so far), with the first time from `time` on at
  // which no equal entry stands. Returns that time.
  pipeline::UnixNanos append(pipeline::ByteBuffer& stream, pipeline::UnixNanos time, std::string_view line,
                             std::span<const pipeline::Metadata> metadata);
  void clear();  // the stream was emptied

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t begin = 0, size = 0;  // in the stream's bytes; size 0: free
    uint32_t copies = 0;           // equal ones met since: the next may try time + copies + 1
  };
  Slot& find(std::string_view stream, uint64_t hash, std::string_view entry);  // its slot, or the free one for it
  void fill(Slot& slot, uint64_t hash, size_t begin, size_t size);
  void catch_up(std::string_view stream);
  void make_room(std::string_view stream);

  std::vector<Slot> slots_;  // open addressing, a power of two
  size_t used_ = 0;
  size_t known_bytes_ = 0;  // of the stream
};

}  // namespace agent
