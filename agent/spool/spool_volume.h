// SpoolVolume: how much of a spool is meant. Thread: any.
#pragma once

#include "agent/spool/spool_frame.h"

namespace agent {

struct SpoolVolume {
  uint64_t frames = 0, entries = 0, line_bytes = 0;
  void add(const SpoolEntry& entry) { frames++, entries += entry.entries, line_bytes += entry.line_bytes; }
  void subtract(const SpoolVolume& v) { frames -= v.frames, entries -= v.entries, line_bytes -= v.line_bytes; }
  void add(const SpoolVolume& v) { frames += v.frames, entries += v.entries, line_bytes += v.line_bytes; }
};

}  // namespace agent
