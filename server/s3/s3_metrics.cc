#include "server/s3/s3_metrics.h"

#include <numeric>

namespace server {

using pipeline::MetricType;

namespace {

constexpr std::string_view kStatusNames[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr double kHoursPerMonth = 730;
constexpr double kGigabyte = 1e9;

// In thousands of requests: what one of this kind costs.
double price_of(S3Operation operation, const S3Prices& prices) {
  switch (operation) {
    case S3Operation::kPut:
    case S3Operation::kList:
    case S3Operation::kMultipart: return prices.put_per_1000;
    case S3Operation::kGet:
    case S3Operation::kHead: return prices.get_per_1000;
    case S3Operation::kDelete: return 0;
  }
  return 0;
}

}  // namespace

std::string_view s3_operation_name(S3Operation operation) {
  switch (operation) {
    case S3Operation::kPut: return "put";
    case S3Operation::kGet: return "get";
    case S3Operation::kHead: return "head";
    case S3Operation::kDelete: return "delete";
    case S3Operation::kList: return "list";
    case S3Operation::kMultipart: return "multipart";
  }
  return "unknown";
}

CostMeter::CostMeter(const pipeline::Clock& clock) : clock_(clock), start_(clock.monotonic()) {}

void CostMeter::advance() {
  const int64_t now = std::chrono::duration_cast<std::chrono::minutes>(clock_.monotonic() - start_).count();
  for (int64_t passed = 0; minute_ < now && passed < static_cast<int64_t>(kMinutes); ++passed) {
    minutes_[static_cast<size_t>(++minute_) % kMinutes] = 0;
  }
  minute_ = now;
}

void CostMeter::add(double dollars) {
  std::lock_guard lock(mutex_);
  advance();
  minutes_[static_cast<size_t>(minute_) % kMinutes] += dollars;
}

double CostMeter::per_month() {
  std::lock_guard lock(mutex_);
  advance();
  const double sum = std::accumulate(minutes_.begin(), minutes_.end(), 0.0);
  const double hours = std::chrono::duration<double, std::ratio<3600>>(clock_.monotonic() - start_).count();
  return sum * kHoursPerMonth / std::clamp(hours, 1.0 / kMinutes, 1.0);
}

S3Metrics::S3Metrics(pipeline::Registry& registry, const pipeline::Clock& clock, S3Prices prices)
    : hedges(registry.counter("skidway_server_s3_hedges_total", "Requests sent a second time while the first ran")),
      hedges_won(registry.counter("skidway_server_s3_hedges_won_total", "Second requests answered before the first")),
      own_writes_found(registry.counter("skidway_server_s3_own_writes_found_total",
                                        "Objects whose write had no answer and that were found to be ours")),
      limit(registry.gauge("skidway_server_s3_concurrency_limit", "Requests that may run at once, as found out")),
      running(registry.gauge("skidway_server_s3_running_requests", "Requests underway")),
      waiting(registry.gauge("skidway_server_s3_waiting_requests", "Requests that wait for the limit")),
      registry_(registry),
      prices_(prices),
      requests_cost_(clock),
      traffic_cost_(clock),
      sent_bytes_(registry.counter("skidway_server_s3_sent_bytes_total", "Bytes of bodies sent to the bucket")),
      received_bytes_(
          registry.counter("skidway_server_s3_received_bytes_total", "Bytes of bodies received from the bucket")) {
  for (size_t i = 0; i < kS3Operations; ++i) {
    const std::string operation(s3_operation_name(static_cast<S3Operation>(i)));
    for (size_t k = 0; k < kStatusClasses; ++k) {
      if (k == 1) continue;  // 1xx is no answer
      requests_[i][k] = &registry.counter("skidway_server_s3_requests_total", "Requests to the bucket, each try",
                                          {{"operation", operation}, {"status", std::string(kStatusNames[k])}});
    }
    seconds_[i] = &registry.histogram("skidway_server_s3_request_seconds", "Time of one request to the bucket",
                                      pipeline::latency_buckets(), {{"operation", operation}});
  }
  collector_ = registry.collect([this](pipeline::MetricPage& page) {
    auto add = [&](std::string part, double dollars) {
      page.add("skidway_server_s3_estimated_monthly_cost_dollars",
               "What a month like the last hour costs at the prices of [store.prices]", MetricType::kGauge,
               {{"part", std::move(part)}}, dollars);
    };
    add("requests", requests_cost_.per_month());
    add("traffic", traffic_cost_.per_month());
  });
}

void S3Metrics::on_answer(S3Operation operation, int status, std::chrono::nanoseconds took, uint64_t sent,
                          uint64_t received) {
  const auto index = static_cast<size_t>(operation);
  const size_t status_class = status < 200 || status > 599 ? 0 : static_cast<size_t>(status) / 100;
  requests_[index][status_class]->add();
  seconds_[index]->observe(std::chrono::duration<double>(took).count());
  sent_bytes_.add(sent);
  received_bytes_.add(received);
  if (status_class == 0) return;  // nobody counted it
  requests_cost_.add(price_of(operation, prices_) / 1000);
  traffic_cost_.add(static_cast<double>(received) / kGigabyte * prices_.gigabyte_out);
}

pipeline::Counter& S3Metrics::retries(std::string_view reason) {
  return registry_.counter("skidway_server_s3_retries_total", "Requests sent again, by the reason",
                           {{"reason", std::string(reason)}});
}

}  // namespace server
