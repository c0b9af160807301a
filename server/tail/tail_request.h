// TailRequest: what a client asks of /loki/api/v1/tail, checked. Source: Loki 3.x HTTP API.
//
// Errors: kInvalid with Loki's text, to be answered with 400 before the connection becomes a WebSocket.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_form.h"
#include "server/logql/syntax.h"

namespace server {

struct TailRequest {
  std::string tenant = {};
  std::string query = {};
  LogExpr expr = {};
  pipeline::UnixNanos start = 0;        // of the history; default an hour ago
  uint32_t limit = 100;                 // entries of the history
  std::chrono::seconds delay{0};        // 0 to 5
  std::vector<std::string> flags = {};  // X-Loki-Response-Encoding-Flags, echoed
  bool categorize_labels = false;       // one of them
  bool legacy = false;                  // /api/prom/tail
};

pipeline::Result<TailRequest> parse_tail_request(const pipeline::HttpForm& form, std::string_view encoding_flags,
                                                 pipeline::UnixNanos now);

}  // namespace server
