// What spool_v1.spool holds: the segment 1 of a sink's spool, sealed, as an agent of version 1 left it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/spool/spool_frame.h"

namespace golden {

inline constexpr agent::SpoolName kSpoolSegment{1, 0x0123456789abcdef};

inline std::vector<agent::SpoolFrame> spool_frames() {
  std::vector<agent::SpoolFrame> frames(3);
  for (size_t i = 0; i < frames.size(); ++i) {
    frames[i].number = {7, i + 1};
    frames[i].producer = "0f8b2c51-8a8e-4d3e-9d43-2e9a5b6c7d8e";
    frames[i].tenant = i == 1 ? "team-a" : "";
    frames[i].encoding = i == 2 ? agent::SpoolEncoding::kGzip : agent::SpoolEncoding::kSnappy;
    frames[i].closed = 1'700'000'000'000'000'000 + static_cast<int64_t>(i);
    frames[i].entries = 10 * (i + 1), frames[i].line_bytes = 1000 * (i + 1);
    frames[i].body = std::make_shared<const std::string>(std::string(100 * i, 'x') + "body");
  }
  return frames;
}

}  // namespace golden
