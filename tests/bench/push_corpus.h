// PushCorpus: an hour of logs of 100 streams as ready push bodies of about 1 MB of lines each (protobuf and snappy),
// with the counts that queries must find again.
//
// Of ten streams five carry JSON lines (format="json"), four text (format="text"), one logfmt (format="logfmt"). A body
// carries ten streams; one round of ten bodies is one step in time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"

namespace bench {

inline constexpr const char* kAbsentId = "3e91d07ac45b4f1886d2a70bf95c1e64";
inline constexpr const char* kPresentId = "c81f5d3ab2e7490685d1fa6c3709be42";
inline constexpr const char* kInsideWord = "zxqvbw";  // within a word of six lines

struct PushCorpus {
  struct Expected {
    uint64_t present = 0, inside_word = 0;       // lines with kPresentId, kInsideWord
    uint64_t error = 0;                          // lines with ERROR
    uint64_t timeout_in_the_us = 0;              // us-(east|west)-\d.*TimeoutError
    uint64_t four_groups = 0;                    // (\d{1,3}[.:]){3}\d{1,3}
    uint64_t text_lines = 0;                     // of daemons
    uint64_t logfmt_errors = 0;                  // logfmt lines with level=error and a status above 499
    std::map<std::string, uint64_t> status_500;  // by level, "" for none: JSON lines with status_code 500
  };

  // The hour ends at `end`.
  PushCorpus(uint64_t raw_bytes, pipeline::UnixNanos end);

  std::vector<std::shared_ptr<const std::string>> bodies;
  uint64_t raw_bytes = 0, lines = 0, wire_bytes = 0;  // raw: the lines alone
  uint64_t json_raw_bytes = 0, text_raw_bytes = 0, logfmt_raw_bytes = 0, one_stream_raw_bytes = 0;
  pipeline::UnixNanos start = 0, end = 0;
  Expected expected = {};
};

}  // namespace bench
