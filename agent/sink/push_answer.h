// What the answer to a push means: acked, later, never, or in smaller pieces; and which entries a server refused while
// it kept the others.
//
// The texts are those of Loki's distributor and ingester (also spoken by skidway-server):
//
//   3 errors like: entry for stream '{a="b"}' has timestamp too old: ...; 1 errors like: max entry size ...
//   entry with timestamp ... ignored, reason: 'entry too far behind, ...', ... user 'x', total ignored: 3 out of 9 for
//   stream: {a="b"}
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace agent {

// Entries that a server refused for one reason.
struct Refusal {
  std::string reason;    // Loki's: greater_than_max_sample_age, line_too_long, ...
  uint64_t entries = 0;  // 0: all of the stream
  std::string stream;    // as the server wrote it; empty: not told
  bool operator==(const Refusal&) const = default;
};

struct PushAnswer {
  enum class Kind { kAcked, kRetry, kRejected, kTooLarge };
  Kind kind = Kind::kRetry;
  int status = 0;    // 0: no answer
  std::string text;  // why not: one line, at most 1,024 bytes of it from the server
  std::optional<std::chrono::nanoseconds> retry_after;
  std::vector<Refusal> refusals;  // kRejected: these only, the other entries were stored; none: all were refused
};

// 2xx is an ack, but for Loki's 260 (the tenant is blocked). 401, 407, 408, 429, 5xx and no answer at all may work
// later, anything else never will; where the server says that the request is too large, parts of it may. `now`: wall
// clock, for a Retry-After that is a date.
PushAnswer judge_answer(const pipeline::Result<pipeline::HttpClientResponse>& response, pipeline::UnixNanos now);

// Of the body of a 400; nothing where a part of it is not understood.
std::vector<Refusal> parse_refusals(std::string_view body);

// How long to wait for `header`: seconds, or a date (RFC 9110, IMF-fixdate). At most ten minutes: a server that asks
// for more is asked again sooner.
std::optional<std::chrono::nanoseconds> parse_retry_after(std::string_view header, pipeline::UnixNanos now);

// `text` with users and passwords in URLs replaced by ***: for logs and pages.
std::string hide_secrets(std::string_view text);

}  // namespace agent
