#include "agent/syslog/syslog_metrics.h"

namespace agent {

SyslogMetrics::SyslogMetrics(pipeline::Registry& r, const std::string& source)
    : entries(r.counter("skidway_agent_syslog_entries_total", "Syslog messages taken.", {{"source", source}})),
      promtail_entries(r.counter("promtail_syslog_target_entries_total", "Syslog messages taken.")),
      empty(r.counter("skidway_agent_syslog_empty_messages_total", "Syslog messages without a text, dropped.",
                      {{"source", source}})),
      promtail_empty(r.counter("promtail_syslog_empty_messages_total", "Syslog messages without a text, dropped.")),
      cut_messages(r.counter("skidway_agent_syslog_cut_messages_total",
                             "Syslog messages longer than max_message_length, of which the beginning was taken.",
                             {{"source", source}})),
      cut_bytes(r.counter("skidway_agent_syslog_cut_bytes_total", "Bytes cut from the ends of long syslog messages.",
                          {{"source", source}})),
      kernel_lost(r.counter("skidway_agent_syslog_kernel_dropped_datagrams_total",
                            "Datagrams that the kernel dropped because the socket's buffer was full.",
                            {{"source", source}})),
      refused_connections(r.counter("skidway_agent_syslog_refused_connections_total",
                                    "Connections closed at once because there were max_connections.",
                                    {{"source", source}})),
      torn_connections(r.counter("skidway_agent_syslog_torn_connections_total",
                                 "Connections that ended with an error or inside a message.", {{"source", source}})),
      connections(r.gauge("skidway_agent_syslog_connections", "Open syslog connections.", {{"source", source}})),
      promtail_faults(r.counter("promtail_syslog_target_parsing_errors_total", "Syslog messages not understood.")),
      registry_(r),
      source_(source) {
  for (auto fault : {pipeline::SyslogFault::kPriority, pipeline::SyslogFault::kVersion, pipeline::SyslogFault::kTime,
                     pipeline::SyslogFault::kHeader, pipeline::SyslogFault::kStructuredData})
    registry_.counter("skidway_agent_syslog_parsing_errors_total", "Syslog messages or connections not understood.",
                      {{"reason", std::string(pipeline::syslog_fault_name(fault))}, {"source", source_}});
}

void SyslogMetrics::add_fault(std::string_view reason) {
  promtail_faults.add();
  registry_
      .counter("skidway_agent_syslog_parsing_errors_total", "Syslog messages or connections not understood.",
               {{"reason", std::string(reason)}, {"source", source_}})
      .add();
}

}  // namespace agent
