#include "pipeline/stage/metric_series.h"

#include <algorithm>
#include <map>

namespace pipeline {

MetricSeries::Series& MetricSeries::of(const LabelSet& labels) {
  MetricLabels shown;
  for (const auto& [name, value] : labels.labels()) {
    if (!name.starts_with("__") && is_label_name(name)) shown.emplace_back(name, value);
  }
  auto [at, is_new] = series_.try_emplace(metric_labels_text(shown));
  if (is_new) {
    at->second.labels = std::move(shown);
    if (type_ == MetricType::kHistogram) at->second.counts.assign(bounds_.size() + 1, 0);
  }
  return at->second;
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
  std::erase_if(series_, [&](const auto& item) { return now - item.second.last_change >= max_idle_; });
}

}  // namespace pipeline
