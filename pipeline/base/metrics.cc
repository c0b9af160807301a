#include "pipeline/base/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"

namespace pipeline {

namespace {

std::string format_number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  return std::string(buffer, end);
}

std::string render_labels(MetricLabels labels) {
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out;
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string_view extra_label, std::string_view value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !extra_label.empty()) {
    out += '{';
    out += labels;
    if (!labels.empty() && !extra_label.empty()) out += ',';
    out += extra_label;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    cumulative += histogram.bucket(i);
    append_sample(out, name, "_bucket", labels, concat("le=\"", format_number(histogram.bounds()[i]), "\""),
                  std::to_string(cumulative));
  }
  cumulative += histogram.bucket(histogram.bounds().size());
  append_sample(out, name, "_bucket", labels, "le=\"+Inf\"", std::to_string(cumulative));
  append_sample(out, name, "_sum", labels, "", format_number(histogram.sum()));
  append_sample(out, name, "_count", labels, "", std::to_string(cumulative));
}

}  // namespace

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
  return family->second.series[render_labels(labels)];
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
  if (family != families_.end()) family->second.series.erase(render_labels(labels));
}

std::string Registry::render() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family.series.empty()) continue;
    static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
    std::string help = family.help;
    for (size_t at = 0; (at = help.find('\n', at)) != std::string::npos; at += 2) help.replace(at, 1, "\\n");
    out += concat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", kTypes[static_cast<size_t>(family.type)], "\n");
    for (const auto& [labels, s] : family.series) {
      if (s.histogram) {
        append_histogram(out, name, labels, *s.histogram);
      } else {
        std::string value = s.counter ? std::to_string(s.counter->value())
                            : s.gauge ? std::to_string(s.gauge->value())
                                      : format_number(s.read());
        append_sample(out, name, "", labels, "", value);
      }
    }
  }
  return out;
}

}  // namespace pipeline
