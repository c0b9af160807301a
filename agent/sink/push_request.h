// What one push looks like on the wire, and what its answer means.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "agent/sink/closed_batch.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace agent {

// `producer`: uuid of the sink; the number travels as X-Skidway-Batch: uuid/epoch/seq. Reads the secrets of
// `options.auth`. kNotFound, kIo: a secret's file cannot be read.
pipeline::Result<pipeline::HttpClientRequest> make_push_request(const SinkOptions& options, const std::string& producer,
                                                                const ClosedBatch& batch);

struct PushAnswer {
  enum class Kind { kAcked, kRetry, kRejected };
  Kind kind = Kind::kRetry;
  int status = 0;    // 0: no answer
  std::string text;  // why not: one line, at most 1,024 bytes of it from the server
  std::optional<std::chrono::nanoseconds> retry_after;
};

// 2xx is an ack. 408, 429, 5xx and no answer at all may work later; anything else never will.
PushAnswer judge_answer(const pipeline::Result<pipeline::HttpClientResponse>& response);

// "logs.example.com:3100" of a URL; empty where there is none.
std::string host_of(const std::string& url);

// `text` with users and passwords in URLs replaced by ***: for logs and pages.
std::string hide_secrets(std::string_view text);

}  // namespace agent
