#include "pipeline/base/metrics.h"

#include <algorithm>

#include "pipeline/base/invariant.h"

namespace pipeline {

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds_.size() + 1)) {}

void Histogram::observe(double v) {
  size_t i = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), v) - bounds_.begin());
  counts_[i].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(v, std::memory_order_relaxed);
}

std::vector<double> latency_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

Registry::Series& Registry::series(std::string_view name, std::string_view help, Type type,
                                   const MetricLabels& labels) {
  auto family = families_.find(name);
  if (family == families_.end())
    family = families_.emplace(std::string(name), Family{type, std::string(help), {}}).first;
  INVARIANT(family->second.type == type);
  Series& series = family->second.series[metric_labels_text(labels)];
  series.labels = labels;
  return series;
}

Counter& Registry::counter(std::string_view name, std::string_view help, MetricLabels labels) {
  std::lock_guard lock(mutex_);
  Series& s = series(name, help, Type::kCounter, labels);
  if (!s.counter) s.counter = std::make_unique<Counter>();
  return *s.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, MetricLabels labels) {
  std::lock_guard lock(mutex_);
  Series& s = series(name, help, Type::kGauge, labels);
  if (!s.gauge) s.gauge = std::make_unique<Gauge>();
  return *s.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                               MetricLabels labels) {
  std::lock_guard lock(mutex_);
  Series& s = series(name, help, Type::kHistogram, labels);
  if (!s.histogram) s.histogram = std::make_unique<Histogram>(std::move(bounds));
  return *s.histogram;
}

void Registry::gauge_callback(std::string_view name, std::string_view help, std::function<double()> read,
                              MetricLabels labels) {
  std::lock_guard lock(mutex_);
  series(name, help, Type::kGauge, labels).read = std::move(read);
}

void Registry::remove(std::string_view name, const MetricLabels& labels) {
  std::lock_guard lock(mutex_);
  auto family = families_.find(name);
  if (family != families_.end()) family->second.series.erase(metric_labels_text(labels));
}

Registry::Collector::~Collector() {
  std::lock_guard lock(registry_->mutex_);
  registry_->collectors_.erase(id_);
}

std::unique_ptr<Registry::Collector> Registry::collect(std::function<void(MetricPage&)> add) {
  std::lock_guard lock(mutex_);
  collectors_.emplace(++last_collector_, std::move(add));
  return std::unique_ptr<Collector>(new Collector(this, last_collector_));
}

std::string Registry::render() const {
  std::lock_guard lock(mutex_);
  MetricPage page;
  for (const auto& [name, family] : families_) {
    for (const auto& [text, s] : family.series) {
      if (s.histogram) {
        std::vector<uint64_t> counts;
        for (size_t i = 0; i <= s.histogram->bounds().size(); ++i) counts.push_back(s.histogram->bucket(i));
        page.add_histogram(name, family.help, s.labels, s.histogram->bounds(), counts, s.histogram->sum());
      } else if (s.counter) {
        page.add(name, family.help, family.type, s.labels, s.counter->value());
      } else if (s.gauge) {
        page.add(name, family.help, family.type, s.labels, s.gauge->value());
      } else {
        page.add(name, family.help, family.type, s.labels, s.read());
      }
    }
  }
  for (const auto& [id, add] : collectors_) {
    page.set_labels({});
    add(page);
  }
  return page.text();
}

}  // namespace pipeline
