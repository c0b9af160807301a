// Wrote wal_v1.wal, with the writer of version 1. Kept to show how; not to be run again: the file is what old servers
// left behind. usage: wal_v1_writer > wal_v1.wal
#include <cstdio>

#include "tests/golden/golden_frames.h"

int main() {
  constexpr uint64_t kSalt = 0x0123456789abcdef;
  std::string out = server::wal_segment_header(kSalt);
  for (const server::WalFrame& frame : golden::frames()) {
    server::append_wal_frame_header(out, frame, kSalt);
    out += frame.body;
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
}
