// Wrote spool_v1.spool, with the writer of version 1. Kept to show how; not to be run again: the file is what old
// agents left behind. usage: spool_v1_writer > spool_v1.spool
#include <cstdio>

#include "tests/golden/golden_spool.h"

int main() {
  constexpr uint64_t kSalt = golden::kSpoolSegment.salt;
  std::string out(agent::kSpoolMagic);
  std::vector<agent::SpoolEntry> entries;
  for (const agent::SpoolFrame& frame : golden::spool_frames()) {
    entries.push_back(agent::spool_entry(frame, out.size()));
    agent::append_spool_header(out, frame, kSalt);
    out += *frame.body;
  }
  out += agent::spool_index(entries, out.size(), kSalt);
  std::fwrite(out.data(), 1, out.size(), stdout);
}
