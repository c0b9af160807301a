// The header of a line in the CRI log format: `2026-11-01T10:00:00.000000001Z stdout F content` (agent.md 5.2).
// The hot path of the agent: no allocation, no copy. Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/clock.h"

namespace pipeline {

struct CriLine {
  std::string_view time;     // not checked: see Rfc3339Parser
  std::string_view content;  // may be empty
  bool is_stderr = false;
  bool is_partial = false;  // P: the line goes on in the next one of this stream
  std::string_view stream() const { return is_stderr ? "stderr" : "stdout"; }
  std::string_view flags() const { return is_partial ? "P" : "F"; }
};

// False: not such a line. A line without a tag is a full one; tags behind a colon (`P:x`) are not known.
bool parse_cri(std::string_view line, CriLine& out);

// RFC 3339 times with up to 9 kept digits of fraction (behind a dot or a comma; further digits are cut), any offset.
// Remembers the last date and minute, as lines of one file mostly share them. One owner; cheap to make.
class Rfc3339Parser {
 public:
  bool parse(std::string_view text, UnixNanos& out);

 private:
  bool parse_slowly(std::string_view text, UnixNanos& out);

  char minute_text_[16] = {};  // "2026-11-01T10:00"
  UnixNanos minute_ = 0;
};

}  // namespace pipeline
