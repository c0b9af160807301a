// What the stages dropped of a file, told to the ledger in bytes of the file: DropCounts count the lines as the stages
// saw them.
#include "agent/source/file_shard.h"

namespace agent {

uint64_t FileShard::bytes_of(const pipeline::Batch& batch) {
  uint64_t bytes = 0;
  for (size_t row = 0; row < batch.size(); row++) {
    if (row > 0 && batch.origin_begin[row] == batch.origin_begin[row - 1]) continue;  // made of the same lines
    for (const pipeline::ByteRange& origin : batch.origins_of(row)) bytes += origin.end - origin.begin;
  }
  return bytes;
}

// Exact to the byte where no stage holds lines back; else the lines as the stages saw them, and their ends. Of several
// reasons in one block each gets its share.
void FileShard::note_drops(TailedFile& tailed, uint64_t bytes_before, bool holding_before) {
  uint64_t lines = 0, bytes = 0;
  for (const pipeline::DropCounts::Count& count : drops_.counts()) lines += count.lines, bytes += count.bytes;
  uint64_t weight = bytes + lines, left = weight;
  if (!holding_before && !tailed.stage_state->open_from()) {
    uint64_t kept = bytes_of(batch_);
    left = bytes_before > kept ? bytes_before - kept : 0;
  }
  if (lines == 0 && left > 0)  // by a stage that does not count
    ledger_.dropped(source_of(tailed), tailed.file.id, "stages:removed", left, tailed.cursor.position);
  const uint64_t all = left;
  for (const pipeline::DropCounts::Count& count : drops_.counts()) {
    if (count.lines == 0) continue;
    weight -= std::min(weight, count.bytes + count.lines);
    uint64_t share = weight == 0 ? left
                                 : std::min(left, static_cast<uint64_t>(static_cast<double>(all) *
                                                                        static_cast<double>(count.bytes + count.lines) /
                                                                        static_cast<double>(bytes + lines)));
    ledger_.dropped(source_of(tailed), tailed.file.id, pipeline::concat("stages:", count.reason), share,
                    tailed.cursor.position);
    left -= share;
  }
}

}  // namespace agent
