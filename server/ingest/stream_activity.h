// StreamActivity: what limits over time have to know: how fast tenants and streams push, how many streams of a tenant
// are active, how new the newest entry of a stream is. Kept only where such a limit is set; begins empty at a start.
//
// Thread:  any.
// Limits:  some 80 bytes for each stream with a push in the last hour, of tenants with a limit per stream.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/ingest/head_snapshot.h"
#include "server/limits/tenant_limits.h"

namespace server {

class StreamActivity {
 public:
  static constexpr std::chrono::hours kIdle{1};  // a stream without a push for so long is active no more

  using Monotonic = std::chrono::nanoseconds;

  // ingestion_rate_mb: takes the bytes, or says false and takes none.
  bool take_bytes(std::string_view tenant, const TenantLimits& limits, uint64_t bytes, Monotonic now);

  enum class Admission { kYes, kTooManyStreams, kTooFast };
  // max_streams_per_user, per_stream_rate_limit.
  Admission admit(std::string_view tenant, const pipeline::StreamId& stream, const TenantLimits& limits, uint64_t bytes,
                  Monotonic now);

  // The time of the newest entry, as set_newest() was told; never back.
  std::optional<pipeline::UnixNanos> newest(std::string_view tenant, const pipeline::StreamId& stream);
  void set_newest(std::string_view tenant, const pipeline::StreamId& stream, pipeline::UnixNanos time, Monotonic now);

 private:
  struct Bucket {        // of tokens, one a byte
    double tokens = -1;  // < 0: full
    Monotonic filled{0};
    bool take(double bytes, double rate, double burst, Monotonic now);
  };
  struct State {
    Bucket bucket;
    std::optional<pipeline::UnixNanos> newest;
    Monotonic last_push{0};
  };
  struct Tenant {
    std::mutex mutex;
    Bucket bucket;
    std::unordered_map<pipeline::StreamId, State> streams;
    Monotonic swept{0};
    State& at(const pipeline::StreamId& stream, Monotonic now);  // under mutex
  };
  std::shared_ptr<Tenant> tenant(std::string_view name);

  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Tenant>> tenants_;  // under mutex_
};

}  // namespace server
