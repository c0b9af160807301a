// Metrics: counters, gauges and histograms, rendered in the Prometheus text format (version 0.0.4).
//
// Life:    a Registry lives as long as the program; what it hands out stays valid as long as it does.
// Thread:  any. Looking a metric up locks; do it once, when the object that counts is built. Counting is one relaxed
// atomic
//          operation: no lock on the hot path.
// Names:   skidway_agent_* or skidway_server_*, unit in the name (_bytes, _seconds), counters end in _total.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/metric_page.h"

namespace pipeline {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Cumulative buckets with fixed upper bounds, in ascending order.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double v);
  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const {
    return counts_[i].load(std::memory_order_relaxed);
  }  // not cumulative; [bounds().size()] is +Inf
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// 1 ms to 10 s, for requests and syncs.
std::vector<double> latency_buckets();

class Registry {
 public:
  // The same name and labels give the same object. One name has one type and one help text (an INVARIANT).
  Counter& counter(std::string_view name, std::string_view help, MetricLabels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, MetricLabels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                       MetricLabels labels = {});

  // A gauge read when rendered, from the thread that renders. `read` must stay callable as long as the registry lives.
  void gauge_callback(std::string_view name, std::string_view help, std::function<double()> read,
                      MetricLabels labels = {});

  // Forgets one series (a file that is gone). References to it become invalid.
  void remove(std::string_view name, const MetricLabels& labels);

  // Calls `add` at each render(), from the thread that renders and under the registry's lock: for those who keep their
  // numbers themselves. It ends with the object returned, which must not outlive the registry.
  class Collector {
   public:
    ~Collector();
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

   private:
    friend class Registry;
    Collector(Registry* registry, uint64_t id) : registry_(registry), id_(id) {}
    Registry* registry_;
    uint64_t id_;
  };
  std::unique_ptr<Collector> collect(std::function<void(MetricPage&)> add);

  // Families sorted by name, series by labels; ends with a newline.
  std::string render() const;

 private:
  using Type = MetricType;
  struct Series {
    MetricLabels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
  };
  struct Family {
    Type type;
    std::string help;
    std::map<std::string, Series> series;  // by rendered labels: a="b",c="d"
  };
  Series& series(std::string_view name, std::string_view help, Type type, const MetricLabels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;              // under mutex_
  std::map<uint64_t, std::function<void(MetricPage&)>> collectors_;  // under mutex_
  uint64_t last_collector_ = 0;                                      // under mutex_
};

}  // namespace pipeline
