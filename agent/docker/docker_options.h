// DockerOptions: the keys of a [[source]] of type "docker" (agent/docker/README.md; agent.md 1.13, 4.5).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/source/source_options.h"
#include "pipeline/config/config.h"
#include "pipeline/http/http_client.h"

namespace agent {

struct DockerOptions final : StreamOptions {
  std::string host = "unix:///var/run/docker.sock";  // or tcp://HOST:PORT, http://..., https://...
  std::string unix_socket;                           // of host
  std::string base_url;                              // what stands before /containers
  pipeline::HttpClientTls tls;
  std::chrono::nanoseconds refresh_interval = std::chrono::minutes(1);
  std::string port = "80";                         // in __address__, where none is exposed
  std::string host_networking_host = "localhost";  // in __address__ of containers in the host's network
  std::string filters;                             // the daemon's JSON, not yet escaped; empty: none
  bool read_stopped = false;                       // also containers that had stopped before they were ever seen
  StartAt start_at = StartAt::kBeginning;
  size_t max_line_bytes = kDefaultMaxLineBytes;

  std::string place() const override { return host; }
};

// Errors go to the document of the table.
std::shared_ptr<const StreamOptions> read_docker(const pipeline::ConfigTable& table);

}  // namespace agent
