// What a docker source counts. The names with `promtail_` are those of Promtail's dashboards, over all sources; the
// readers of further sinks (agent/stream_shares.h) do not count there: each line counts once.
#pragma once

#include "agent/source/source_options.h"
#include "pipeline/base/metrics.h"

namespace agent {

struct DockerMetrics {
  DockerMetrics(pipeline::Registry& registry, const SourceOptions& options);
  DockerMetrics(const DockerMetrics&) = delete;

 private:
  DockerMetrics(pipeline::Registry& registry, const std::string& source, bool is_first);
  pipeline::Counter elsewhere_;

 public:
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
