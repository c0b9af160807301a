// What one push looks like on the wire.
#pragma once

#include <string>

#include "agent/sink/closed_batch.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace agent {

// `producer`: uuid of the sink; the number travels as X-Skidway-Batch: uuid/epoch/seq. Reads the secrets of
// `options.auth`. kNotFound, kIo: a secret's file cannot be read.
pipeline::Result<pipeline::HttpClientRequest> make_push_request(const SinkOptions& options, const std::string& url,
                                                                const std::string& producer, const ClosedBatch& batch);

// "logs.example.com:3100" of a URL; empty where there is none.
std::string host_of(const std::string& url);

}  // namespace agent
