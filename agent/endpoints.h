// The agent's HTTP server: /ready (?verbose), /metrics, /targets (HTML; JSON by ?format=json or Accept), /config,
// POST /-/reload (200 "config reloaded", else 400 with every error, 503 if it may work later; GET too, as Alloy has
// it).
//
// Thread:  loop. The agent outlives it.
#pragma once

#include <memory>

#include "agent/agent.h"
#include "agent/reloader.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/loop.h"

namespace agent {

// kUnavailable: the address is in use; kInvalid: it is none.
pipeline::Result<std::unique_ptr<pipeline::HttpServer>> serve_endpoints(pipeline::Loop& loop,
                                                                        pipeline::Registry& registry, Agent& agent,
                                                                        Reloader& reloader);

}  // namespace agent
