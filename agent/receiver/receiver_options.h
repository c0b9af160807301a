// What the receivers' own keys of a [[source]] say.
#pragma once

#include <string>

#include "agent/receiver/http_listeners.h"
#include "agent/source/source_options.h"
#include "pipeline/codec/otlp_entries.h"

namespace agent {

struct ReceiverOptions : StreamOptions {
  HttpListeners::Options listen;
  std::string path_prefix;  // before every path: "/team-a"; empty or with a leading slash and no trailing one
  uint64_t max_body_bytes() const { return listen.max_body_bytes; }  // as sent, and decompressed
  std::string place() const override;
};

struct PushOptions : ReceiverOptions {
  bool use_incoming_timestamp = true;  // false: entries get the time at which they arrive
};

struct OtlpOptions : ReceiverOptions {
  pipeline::OtlpMapping mapping;
};

}  // namespace agent
