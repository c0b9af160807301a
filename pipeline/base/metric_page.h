// MetricPage: one page of metrics in the Prometheus text format (version 0.0.4), gathered from several places that may
// have families in common: a family has one HELP and one TYPE line however many add to it.
//
//   MetricPage page;
//   page.set_labels({{"source", "web"}});                                   // on every sample from here on
//   page.add("loki_x_total", "Things.", MetricType::kCounter, {{"reason", "old"}}, 3);
//   out += page.text();
//
// Thread: one.
// Errors: samples for a family that the page has with another type are left out: two types would spoil the whole page.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pipeline {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;
enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };

class MetricPage {
 public:
  // Labels for the samples that follow, besides their own; one that a sample has itself is left out.
  void set_labels(MetricLabels labels) { labels_ = std::move(labels); }

  void add(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels, double value);
  template <std::integral Number>
  void add(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels, Number value) {
    add_text(name, help, type, labels, std::to_string(value));
  }
  // `counts` has one element more than `bounds`, for +Inf, and is not cumulative.
  void add_histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                     const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double sum);

  // Families sorted by name, samples in the order in which they were added; ends with a newline unless empty.
  std::string text() const;

 private:
  struct Sample {
    std::string series, value;  // name{labels}
  };
  struct Family {
    MetricType type;
    std::string help;
    std::vector<Sample> samples;
    std::map<std::string, size_t, std::less<>> by_series;

    void add(std::string series, std::string value);
  };
  Family* family(std::string_view name, std::string_view help, MetricType type);  // null: there with another type
  std::string render_labels(const MetricLabels& labels) const;
  void add_text(std::string_view name, std::string_view help, MetricType type, const MetricLabels& labels,
                std::string_view value);

  MetricLabels labels_;
  std::map<std::string, Family, std::less<>> families_;
};

// As in `name{a="b"} value`: sorted by name, values escaped; "" for none.
std::string metric_labels_text(MetricLabels labels);

}  // namespace pipeline
