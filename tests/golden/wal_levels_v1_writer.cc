// Wrote wal_levels_v1.wal, with the writer of version 1 that knew levels. Kept to show how; not to be run again: the
// file is what old servers left behind. usage: wal_levels_v1_writer > wal_levels_v1.wal
#include <cstdio>

#include "tests/golden/golden_frames.h"

int main() {
  constexpr uint64_t kSalt = 0x0123456789abcdef;
  std::string out = server::wal_segment_header(kSalt);
  for (const server::WalFrame& frame : golden::frames_with_levels()) {
    server::append_wal_frame_header(out, frame, kSalt);
    out += frame.body;
    server::append_wal_levels(out, frame, kSalt);
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
}
