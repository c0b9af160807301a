// Log lines as services and daemons write them, made up from a seed: the same seed gives the same lines everywhere.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/clock.h"

namespace bench {

// xorshift64*: a few instructions per number, so that making lines is not what is measured.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15U | 1) {
    for (int i = 0; i < 8; ++i) next();
  }
  uint64_t next() {
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 0x2545'f491'4f6c'dd1dU;
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(((next() >> 32) * n) >> 32); }
  bool percent(uint32_t p) { return below(100) < p; }

 private:
  uint64_t state_;
};

// What the queries of server_bench ask for, as far as one line knows it.
struct LineFacts {
  int level = -1;                  // index into kLevels, -1: the line has none
  bool status_500 = false;         // status_code is 500
  bool timeout_in_the_us = false;  // a region us-... and behind it TimeoutError
};
inline constexpr const char* kLevels[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void append_number(std::string& out, uint64_t number);

// A service's line in JSON, 219 bytes on average: about twelve of sixteen fields.
LineFacts append_json_line(std::string& out, Random& random, pipeline::UnixNanos time, uint64_t sequence);

// A daemon's line, 120 bytes on average; `kind`: which daemon.
void append_text_line(std::string& out, Random& random, pipeline::UnixNanos time, uint32_t kind);

// A service's line in logfmt, 160 bytes on average. True: level=error and a status above 499.
bool append_logfmt_line(std::string& out, Random& random, pipeline::UnixNanos time, uint64_t sequence);

// Matches of (\d{1,3}[.:]){3}\d{1,3}, found by a plain loop.
bool has_four_groups(std::string_view line);

}  // namespace bench
