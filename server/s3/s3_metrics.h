// S3Metrics: what the bucket is asked for, what travels, and what that costs a month.
//
// Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "server/s3/s3_options.h"

namespace server {

enum class S3Operation : uint8_t { kPut, kGet, kHead, kDelete, kList, kMultipart };
inline constexpr size_t kS3Operations = 6;
std::string_view s3_operation_name(S3Operation operation);

// Dollars of the requests and bytes of the last hour, kept by the minute.
class CostMeter {
 public:
  explicit CostMeter(const pipeline::Clock& clock);
  void add(double dollars);
  // If every hour of a month were like the last one; in the first hour like what has passed of it.
  double per_month();

 private:
  void advance();
  static constexpr size_t kMinutes = 60;

  const pipeline::Clock& clock_;
  const std::chrono::nanoseconds start_;
  std::mutex mutex_;
  std::array<double, kMinutes> minutes_{};  // under mutex_
  int64_t minute_ = 0;                      // under mutex_: the running one, since the start
};

class S3Metrics {
 public:
  // The doors outlive it; the registry's pages read it, so it lives as long as they are rendered.
  S3Metrics(pipeline::Registry& registry, const pipeline::Clock& clock, S3Prices prices);

  // One answer or failure (status 0) of one request that was sent.
  void on_answer(S3Operation operation, int status, std::chrono::nanoseconds took, uint64_t sent, uint64_t received);
  pipeline::Counter& retries(std::string_view reason);

  pipeline::Counter &hedges, &hedges_won, &own_writes_found;
  pipeline::Gauge &limit, &running, &waiting;

 private:
  static constexpr size_t kStatusClasses = 6;  // none, 1xx ... 5xx

  pipeline::Registry& registry_;
  const S3Prices prices_;
  CostMeter requests_cost_, traffic_cost_;
  std::array<std::array<pipeline::Counter*, kStatusClasses>, kS3Operations> requests_{};
  std::array<pipeline::Histogram*, kS3Operations> seconds_{};
  pipeline::Counter &sent_bytes_, &received_bytes_;
  std::unique_ptr<pipeline::Registry::Collector> collector_;
};

}  // namespace server
