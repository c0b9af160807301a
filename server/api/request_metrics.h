// Request metrics under Loki's names, for the dashboards and alerts that people have: loki_request_duration_seconds by
// method, route, status code and whether a WebSocket answered; loki_build_info; loki_panic_total, which stays 0.
//
// Thread: the one that answers requests.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"

namespace server {

// "/loki/api/v1/label/{name}/values" -> "loki_api_v1_label_name_values"; "other" stays.
std::string route_label(std::string_view route);

class RequestMetrics {
 public:
  explicit RequestMetrics(pipeline::Registry& registry);
  void count(const pipeline::HttpAnswered& answered);

 private:
  pipeline::Registry& registry_;
  std::map<std::tuple<std::string, std::string, int>, pipeline::Histogram*> histograms_;  // method, route, status
};

}  // namespace server
