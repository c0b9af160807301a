// SinkOptions: one [[sink]] of the configuration, ready to run.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

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
  std::string user_agent = "skidway-agent";
  std::string tenant;              // empty: no header
  uint64_t batch_bytes = 1 << 20;  // encoded, not compressed
  std::chrono::nanoseconds batch_wait = std::chrono::seconds(1);
  uint64_t max_in_flight = 4;
  Compression compression = Compression::kAuto;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  RetryOptions retry;
  SinkTls tls;
  SinkAuth auth;
  bool operator==(const SinkOptions&) const = default;
};

}  // namespace agent
