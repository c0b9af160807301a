// The agent's HTTP server: /ready (?verbose), /metrics, /targets (HTML; JSON by ?format=json or Accept), /config.
//
// Thread:  loop. The agent outlives it.
#pragma once

#include <memory>

#include "agent/agent.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/loop.h"

namespace agent {

// kUnavailable: the address is in use; kInvalid: it is none.
pipeline::Result<std::unique_ptr<pipeline::HttpServer>> serve_endpoints(pipeline::Loop& loop,
                                                                        pipeline::Registry& registry, Agent& agent);

}  // namespace agent
