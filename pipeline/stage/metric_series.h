// MetricSeries: the series of one metric of the `metrics` stage, by the labels of the entries (agent.md 5.17).
//
// Thread: one at a time; the stage locks.
// Limits: kMaxSeries of one metric; entries that would need more are not counted, which is counted.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/metric_page.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

class MetricSeries {
 public:
  struct Series {
    MetricLabels labels;
    double value = 0;  // histograms: the sum
    std::vector<uint64_t> counts;
    UnixNanos last_change = 0;
  };

  // `bounds` are those of a histogram, ascending; else none.
  MetricSeries(std::string name, std::string help, MetricType type, std::vector<double> bounds, UnixNanos max_idle)
      : name_(std::move(name)), help_(std::move(help)), type_(type), bounds_(std::move(bounds)), max_idle_(max_idle) {}

  static constexpr size_t kMaxSeries = 100'000;  // some 30 MB; a scrape of more would not end in time

  // The series of an entry with these labels, but for those that begin with __ or are no metric labels (a
  // histogram has no other `le` than its buckets'). Stays where it
  // is until append(). Null: there are too many.
  Series* of(const LabelSet& labels);
  void observe(Series& series, double value) const;  // of a histogram

  // Adds all series, then forgets those that nothing was added to for max_idle: they are seen once more.
  void append(MetricPage& page, UnixNanos now);

 private:
  const std::string name_, help_;
  const MetricType type_;
  const std::vector<double> bounds_;
  const UnixNanos max_idle_;
  std::unordered_map<std::string, Series> series_;  // by their labels as text
  uint64_t left_out_ = 0;                           // entries without a series
};

}  // namespace pipeline
