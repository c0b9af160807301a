// SpoolOrigins: which files a spooled batch was made of, so that what becomes of it is told of them. As bytes (integers
// are varints, base/varint.h), in a frame, an index or a loss:
//
//   u64 home | parts | part...
//   part:  file id | begin | end - begin | bytes
//
// File ids mean something to one checkpoint store alone: home is hash64 of the uuid that it gave the sink. A part of a
// stream (records.h) counts entries, and its id means something to one run alone, that of the batch's epoch. File id 0:
// of files that had no room.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"

namespace agent {

// `bytes` of [begin, end) of a file, or as many entries of a stream.
struct SpoolPart {
  FileId file;
  uint64_t begin = 0, end = 0;
  uint64_t bytes = 0;
  bool operator==(const SpoolPart&) const = default;
};

struct SpoolOrigins {
  uint64_t home = 0;
  std::vector<SpoolPart> parts;  // at most one a file
  bool operator==(const SpoolOrigins&) const = default;
};

uint64_t spool_home(std::string_view producer);

// What the record of a batch says; a batch of a stream has no record, but `entries` of it.
SpoolOrigins spool_origins(uint64_t home, const std::vector<RecordSegment>& segments);
SpoolOrigins spool_origins(uint64_t home, FileId stream, const std::vector<EntryRange>& entries);

// Empty for what says nothing. Parts that go beyond `most_bytes` are summed under file id 0, the smallest first.
std::string encode_origins(SpoolOrigins origins, size_t most_bytes = SIZE_MAX);
// Nothing: no such bytes. Of an empty text: what says nothing.
std::optional<SpoolOrigins> parse_origins(std::string_view bytes);

// Of each part what `of_all` of `all` entries have of it.
SpoolOrigins share_of(SpoolOrigins origins, uint64_t of_all, uint64_t all);

// What is left of the parts of many.
class OriginSums {
 public:
  void add(std::string_view origins);
  void subtract(std::string_view origins);
  std::string encode() const;

 private:
  uint64_t home_ = 0;  // of the first: the writer of a segment has one
  std::map<FileId, SpoolPart> parts_;
};

// Adds what `more` has to the part of its file.
void join_part(SpoolPart& part, const SpoolPart& more);

}  // namespace agent
