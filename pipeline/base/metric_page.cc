#include "pipeline/base/metric_page.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

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

std::string series_of(std::string_view name, std::string_view suffix, std::string_view labels,
                      std::string_view extra_label) {
  if (labels.empty() && extra_label.empty()) return concat(name, suffix);
  std::string_view comma = labels.empty() || extra_label.empty() ? "" : ",";
  return concat(name, suffix, "{", labels, comma, extra_label, "}");
}

// Whole numbers stay whole.
std::string sum_of(const std::string& a, const std::string& b) {
  int64_t x = 0, y = 0, sum = 0;
  auto is_whole = [](const std::string& text, int64_t& value) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  bool whole = is_whole(a, x) && is_whole(b, y) && !__builtin_add_overflow(x, y, &sum);
  return whole ? std::to_string(sum) : format_number(std::strtod(a.c_str(), nullptr) + std::strtod(b.c_str(), nullptr));
}

}  // namespace

std::string metric_labels_text(MetricLabels labels) {
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [name, value] : labels) {
    out += concat(out.empty() ? "" : ",", name, "=\"");
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

void MetricPage::Family::add(std::string series, std::string value) {
  auto [at, is_new] = by_series.emplace(series, samples.size());
  if (is_new) {
    samples.push_back({std::move(series), std::move(value)});
  } else {
    std::string& held = samples[at->second].value;
    held = type == MetricType::kGauge ? std::move(value) : sum_of(held, value);
  }
}

MetricPage::Family* MetricPage::family(std::string_view name, std::string_view help, MetricType type) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.emplace(std::string(name), Family{type, std::string(help), {}, {}}).first;
  }
  return found->second.type == type ? &found->second : nullptr;
}

std::string MetricPage::render_labels(const MetricLabels& labels) const {
  if (labels_.empty()) return metric_labels_text(labels);
  MetricLabels all = labels;
  for (const auto& common : labels_) {
    auto same = [&](const auto& label) { return label.first == common.first; };
    if (std::none_of(labels.begin(), labels.end(), same)) all.push_back(common);
  }
  return metric_labels_text(std::move(all));
}

void MetricPage::add_text(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels,
                          std::string_view value) {
  if (Family* to = family(name, help, type))
    to->add(series_of(name, "", render_labels(labels), ""), std::string(value));
}

void MetricPage::add(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels,
                     double value) {
  add_text(name, help, type, labels, format_number(value));
}

void MetricPage::add_histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                               const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double sum) {
  INVARIANT(counts.size() == bounds.size() + 1);
  Family* to = family(name, help, MetricType::kHistogram);
  if (to == nullptr) return;
  const std::string text = render_labels(labels);
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    std::string bound = i < bounds.size() ? format_number(bounds[i]) : "+Inf";
    to->add(series_of(name, "_bucket", text, concat("le=\"", bound, "\"")), std::to_string(cumulative));
  }
  to->add(series_of(name, "_sum", text, ""), format_number(sum));
  to->add(series_of(name, "_count", text, ""), std::to_string(cumulative));
}

std::string MetricPage::text() const {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family.samples.empty()) continue;
    std::string help = family.help;
    for (size_t at = 0; (at = help.find('\\', at)) != std::string::npos; at += 2) help.replace(at, 1, "\\\\");
    for (size_t at = 0; (at = help.find('\n', at)) != std::string::npos; at += 2) help.replace(at, 1, "\\n");
    out += concat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", kTypes[static_cast<size_t>(family.type)], "\n");
    for (const Sample& sample : family.samples) out += concat(sample.series, " ", sample.value, "\n");
  }
  return out;
}

}  // namespace pipeline
