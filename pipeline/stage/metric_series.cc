#include "pipeline/stage/metric_series.h"

#include <algorithm>
#include <map>

namespace pipeline {

MetricSeries::Series* MetricSeries::of(const LabelSet& labels) {
  MetricLabels shown;
  for (const auto& [name, value] : labels.labels()) {
    if (name == "le" && type_ == MetricType::kHistogram) continue;  // a bucket has its own
    if (!name.starts_with("__") && is_label_name(name)) shown.emplace_back(name, value);
  }
  std::string text = metric_labels_text(shown);
  if (series_.size() >= kMaxSeries && !series_.contains(text)) {
    ++left_out_;
    return nullptr;
  }
  auto [at, is_new] = series_.try_emplace(std::move(text));
  if (is_new) {
    at->second.labels = std::move(shown);
    if (type_ == MetricType::kHistogram) at->second.counts.assign(bounds_.size() + 1, 0);
  }
  return &at->second;
}

void MetricSeries::observe(Series& series, double value) const {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++series.counts[static_cast<size_t>(bucket)];
  series.value += value;
}

void MetricSeries::append(MetricPage& page, UnixNanos now) {
  std::map<std::string_view, const Series*> sorted;
  for (const auto& [text, series] : series_) sorted.emplace(text, &series);
  for (const auto& [text, series] : sorted) {
    if (type_ == MetricType::kHistogram) {
      page.add_histogram(name_, help_, series->labels, bounds_, series->counts, series->value);
    } else {
      page.add(name_, help_, type_, series->labels, series->value);
    }
  }
  if (left_out_ > 0) {
    page.add("skidway_process_metric_entries_left_out_total",
             "Entries that a metric of a stage did not count, as it has too many series.", MetricType::kCounter,
             {{"metric", name_}}, left_out_);
  }
  std::erase_if(series_, [&](const auto& item) { return now - item.second.last_change >= max_idle_; });
}

}  // namespace pipeline
