// RemoteCache on memcached servers: the door to libmemcached. Keys are spread over the servers by consistent hashing.
//
// A server that is away, slow or full is a miss. After kMostErrors failures within a second nothing is asked for
// kOffSeconds; then it is tried again. Values carry a checksum; one that does not match is a miss.
// Thread:  any; connections come from a pool.
// Limits:  values up to 1 MiB less a little (memcached's default); larger ones are not sent.
// Errors:  of open(): a server that is not HOST or HOST:PORT.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "server/cache/remote_cache.h"

namespace server {

inline constexpr uint32_t kMostErrors = 5;
inline constexpr int64_t kOffSeconds = 10;

struct MemcachedOptions {
  std::vector<std::string> servers;  // "host", "host:11211", "[::1]:11211"
  std::chrono::milliseconds timeout{100};
  std::chrono::seconds expires_after{86'400};  // at most 30 days
  uint32_t connections = 16;                   // to each server
};

// "host:port" with the default port 11211. kInvalid: it is neither.
struct MemcachedServer {
  std::string host;
  uint16_t port = 11211;
};
pipeline::Result<MemcachedServer> parse_memcached_server(std::string_view text);

// Nothing is asked yet. `clock` and `registry` outlive it.
pipeline::Result<std::unique_ptr<RemoteCache>> open_memcached(MemcachedOptions options, const pipeline::Clock& clock,
                                                              pipeline::Registry& registry);

}  // namespace server
