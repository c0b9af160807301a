#include "server/api/request_metrics.h"

#include <algorithm>
#include <array>

#include "pipeline/base/version.h"
#include "server/api/limit_texts.h"

namespace server {

namespace {

// Others are counted as one, or a client could make any number of series.
std::string known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown = {"GET",  "POST",    "PUT",  "DELETE",
                                                             "HEAD", "OPTIONS", "PATCH"};
  return std::find(kKnown.begin(), kKnown.end(), method) == kKnown.end() ? "other" : std::string(method);
}

}  // namespace

std::string route_label(std::string_view route) {
  std::string out;
  for (char c : route) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (plain) {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  while (out.ends_with('_')) out.pop_back();
  return out;
}

RequestMetrics::RequestMetrics(pipeline::Registry& registry) : registry_(registry) {
  registry.counter("loki_panic_total", "The total number of panics: a program that would panic here ends instead.");
  registry
      .gauge("loki_build_info", "Which Loki's behaviour this server has.",
             {{"version", kLokiVersion}, {"revision", std::string(pipeline::version_commit())}, {"branch", "HEAD"}})
      .set(1);
}

void RequestMetrics::count(const pipeline::HttpAnswered& answered) {
  auto& histogram = histograms_[{known_method(answered.method), route_label(answered.route), answered.status}];
  if (histogram == nullptr) {
    histogram = &registry_.histogram("loki_request_duration_seconds", "Time (in seconds) spent serving HTTP requests.",
                                     {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100},
                                     {{"method", known_method(answered.method)},
                                      {"route", route_label(answered.route)},
                                      {"status_code", std::to_string(answered.status)},
                                      {"ws", answered.status == 101 ? "true" : "false"}});
  }
  histogram->observe(std::chrono::duration<double>(answered.took).count());
}

}  // namespace server
