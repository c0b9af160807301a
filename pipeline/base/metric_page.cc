#include "pipeline/base/metric_page.h"

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

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string_view extra_label, std::string_view value) {
  out.append(name).append(suffix);
  if (!labels.empty() || !extra_label.empty()) {
    out.append("{").append(labels);
    if (!labels.empty() && !extra_label.empty()) out += ',';
    out.append(extra_label).append("}");
  }
  out.append(" ").append(value).append("\n");
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

std::string* MetricPage::samples(std::string_view name, std::string_view help, MetricType type) {
  auto family = families_.find(name);
  if (family == families_.end()) {
    family = families_.emplace(std::string(name), Family{type, std::string(help), {}}).first;
  }
  return family->second.type == type ? &family->second.samples : nullptr;
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
  if (std::string* out = samples(name, help, type)) append_sample(*out, name, "", render_labels(labels), "", value);
}

void MetricPage::add(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels,
                     double value) {
  add_text(name, help, type, labels, format_number(value));
}

void MetricPage::add_histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                               const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double sum) {
  INVARIANT(counts.size() == bounds.size() + 1);
  std::string* out = samples(name, help, MetricType::kHistogram);
  if (out == nullptr) return;
  const std::string text = render_labels(labels);
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    std::string bound = i < bounds.size() ? format_number(bounds[i]) : "+Inf";
    append_sample(*out, name, "_bucket", text, concat("le=\"", bound, "\""), std::to_string(cumulative));
  }
  append_sample(*out, name, "_sum", text, "", format_number(sum));
  append_sample(*out, name, "_count", text, "", std::to_string(cumulative));
}

std::string MetricPage::text() const {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family.samples.empty()) continue;
    std::string help = family.help;
    for (size_t at = 0; (at = help.find('\\', at)) != std::string::npos; at += 2) help.replace(at, 1, "\\\\");
    for (size_t at = 0; (at = help.find('\n', at)) != std::string::npos; at += 2) help.replace(at, 1, "\\n");
    out += concat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", kTypes[static_cast<size_t>(family.type)], "\n",
                  family.samples);
  }
  return out;
}

}  // namespace pipeline
