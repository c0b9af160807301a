// What a docker source counts. The names with `promtail_` are those of Promtail's dashboards, over all sources.
#pragma once

#include <string>

#include "pipeline/base/metrics.h"

namespace agent {

struct DockerMetrics {
  DockerMetrics(pipeline::Registry& registry, const std::string& source);

  pipeline::Counter &entries, &promtail_entries;
  pipeline::Counter &faults, &promtail_faults;  // lines without a time, frames that are none
  pipeline::Counter& empty_lines;
  pipeline::Counter& cut_bytes;
  pipeline::Counter& reopened;
  pipeline::Counter& api_errors;
  pipeline::Counter& lost_containers;
  pipeline::Gauge& followed;
};

}  // namespace agent
