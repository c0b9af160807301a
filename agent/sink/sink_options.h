// SinkOptions: one [[sink]] of the configuration, ready to run.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/spool/spool_options.h"

namespace agent {

enum class SinkType { kLoki, kStdout, kDiscard };

// kAuto: the cheapest form that the server is known to take; today that is snappy.
enum class Compression { kAuto, kSnappy, kGzip, kIdentity, kZstd };

struct RetryOptions {
  std::chrono::nanoseconds min = std::chrono::milliseconds(500);
  std::chrono::nanoseconds max = std::chrono::seconds(30);
  uint64_t max_retries = 0;             // 0: for ever
  std::chrono::nanoseconds max_age{0};  // from the closing of the batch; 0: for ever
  bool operator==(const RetryOptions&) const = default;
};

struct SinkTls {
  std::string ca_file, cert_file, key_file, server_name;
  bool operator==(const SinkTls&) const = default;
};

// Where batches go that a server refused for good.
struct DeadLetterOptions {
  std::string dir;  // empty: nowhere
  uint64_t limit_bytes = 256 << 20;
  bool operator==(const DeadLetterOptions&) const = default;
};

// Files are read again for each request, so a renewed secret needs no restart.
struct SinkAuth {
  std::string username, password_file;
  std::string bearer_token_file;
  bool operator==(const SinkAuth&) const = default;
};

struct SinkOptions {
  std::string name;
  SinkType type = SinkType::kLoki;
  std::map<std::string, std::string> labels;  // external

  // kLoki
  std::string url;
  std::vector<std::string> failover_urls;  // other ways to the same server or cluster, in order of preference
  bool hedge = false;                      // ask a second one where the first is unusually slow
  std::string proxy_url;                   // empty: of the environment
  std::string no_proxy;                    // hosts that proxy_url is not for, with commas
  std::string user_agent = "skidway-agent";
  std::string tenant;              // empty: no header
  uint64_t batch_bytes = 1 << 20;  // encoded, not compressed
  std::chrono::nanoseconds batch_wait = std::chrono::seconds(1);
  uint64_t max_in_flight = 4;  // requests at once; fewer while the far side is slow or says 429
  Compression compression = Compression::kAuto;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  RetryOptions retry;
  SpoolOptions spool;
  SinkTls tls;
  SinkAuth auth;
  DeadLetterOptions dead_letter;
  bool operator==(const SinkOptions&) const = default;
};

}  // namespace agent
