// DockerSource: finds the containers of a daemon (list and events) and follows their logs, each from where it stood.
// Thread: loop.
#pragma once

#include <memory>

#include "agent/stream/stream_source.h"

namespace agent {

std::unique_ptr<StreamSource> make_docker(const StreamParts& parts);

}  // namespace agent
