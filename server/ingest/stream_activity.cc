#include "server/ingest/stream_activity.h"

#include <algorithm>

namespace server {

using pipeline::StreamId;
using pipeline::UnixNanos;

namespace {

constexpr std::chrono::minutes kSweepEvery{5};

// Zero is no limit.
uint64_t stream_limit(const TenantLimits& limits) {
  uint64_t one = limits.max_streams_per_user, other = limits.max_global_streams_per_user;
  return one == 0 || other == 0 ? std::max(one, other) : std::min(one, other);
}

}  // namespace

bool StreamActivity::Bucket::take(double bytes, double rate, double burst, Monotonic now) {
  double since = std::max(0.0, std::chrono::duration<double>(now - filled).count());
  tokens = tokens < 0 ? burst : std::min(burst, tokens + since * rate);
  filled = now;
  if (bytes > tokens) return false;
  tokens -= bytes;
  return true;
}

std::shared_ptr<StreamActivity::Tenant> StreamActivity::tenant(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto& found = tenants_[std::string(name)];
  if (!found) found = std::make_shared<Tenant>();
  return found;
}

StreamActivity::State& StreamActivity::Tenant::at(const StreamId& stream, Monotonic now) {
  if (now - swept > kSweepEvery) {
    std::erase_if(streams, [&](const auto& one) { return now - one.second.last_push > kIdle; });
    swept = now;
  }
  State& state = streams[stream];
  state.last_push = now;
  return state;
}

bool StreamActivity::take_bytes(std::string_view tenant, const TenantLimits& limits, uint64_t bytes, Monotonic now) {
  if (limits.ingestion_rate_mb <= 0) return true;
  constexpr double kMegabyte = 1024 * 1024;
  auto found = this->tenant(tenant);
  std::lock_guard lock(found->mutex);
  return found->bucket.take(static_cast<double>(bytes), limits.ingestion_rate_mb * kMegabyte,
                            limits.ingestion_burst_size_mb * kMegabyte, now);
}

StreamActivity::Admission StreamActivity::admit(std::string_view tenant, const StreamId& stream,
                                                const TenantLimits& limits, uint64_t bytes, Monotonic now) {
  const uint64_t most = stream_limit(limits);
  if (most == 0 && limits.per_stream_rate_limit == 0) return Admission::kYes;
  auto found = this->tenant(tenant);
  std::lock_guard lock(found->mutex);
  auto& streams = found->streams;
  if (most > 0 && streams.size() >= most && !streams.contains(stream)) {
    std::erase_if(streams, [&](const auto& one) { return now - one.second.last_push > kIdle; });
    if (streams.size() >= most) return Admission::kTooManyStreams;
  }
  State& state = found->at(stream, now);
  if (limits.per_stream_rate_limit == 0) return Admission::kYes;
  bool slow = state.bucket.take(static_cast<double>(bytes), static_cast<double>(limits.per_stream_rate_limit),
                                static_cast<double>(limits.per_stream_rate_limit_burst), now);
  return slow ? Admission::kYes : Admission::kTooFast;
}

std::optional<UnixNanos> StreamActivity::newest(std::string_view tenant, const StreamId& stream) {
  auto found = this->tenant(tenant);
  std::lock_guard lock(found->mutex);
  auto state = found->streams.find(stream);
  return state == found->streams.end() ? std::nullopt : state->second.newest;
}

void StreamActivity::set_newest(std::string_view tenant, const StreamId& stream, UnixNanos time, Monotonic now) {
  auto found = this->tenant(tenant);
  std::lock_guard lock(found->mutex);
  State& state = found->at(stream, now);
  state.newest = std::max(state.newest.value_or(time), time);
}

}  // namespace server
