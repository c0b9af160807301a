// What a syslog source counts. The names with `promtail_` are those of Promtail's dashboards, over all sources.
#pragma once

#include <array>
#include <string>

#include "pipeline/base/metrics.h"
#include "pipeline/parse/syslog.h"

namespace agent {

struct SyslogMetrics {
  SyslogMetrics(pipeline::Registry& registry, const std::string& source);

  void add_fault(std::string_view reason);

  pipeline::Counter &entries, &promtail_entries;
  pipeline::Counter &empty, &promtail_empty;
  pipeline::Counter& cut_messages;
  pipeline::Counter& cut_bytes;
  pipeline::Counter& kernel_lost;
  pipeline::Counter& refused_connections;
  pipeline::Counter& torn_connections;
  pipeline::Gauge& connections;
  pipeline::Counter& promtail_faults;

 private:
  pipeline::Registry& registry_;
  const std::string source_;
};

}  // namespace agent
