// The header of a line in the CRI log format: `2026-11-01T10:00:00.000000001Z stdout F content` (agent.md 5.2).
// The hot path of the agent: no allocation, no copy. Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/parse/go_time.h"

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

// RFC 3339 times, as Go's time.Parse(time.RFC3339Nano) reads them: a fraction of any length behind a dot or a comma (9
// digits count), any offset. Remembers the last minute and offset, as lines of one file mostly share them. One owner.
class Rfc3339Parser {
 public:
  Rfc3339Parser();
  bool parse(std::string_view text, UnixNanos& out);

 private:
  bool parse_slowly(std::string_view text, UnixNanos& out);

  GoTimeLayout layout_;
  char minute_text_[16] = {};  // "2026-11-01T10:00"
  char zone_text_[6] = {};     // "Z" or "+02:00"
  size_t zone_length_ = 1;
  UnixNanos minute_ = 0;
};

}  // namespace pipeline
