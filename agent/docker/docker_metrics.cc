#include "agent/docker/docker_metrics.h"

namespace agent {

DockerMetrics::DockerMetrics(pipeline::Registry& r, const SourceOptions& options)
    : DockerMetrics(r, options.metric_name(), options.counted_as.empty()) {}

DockerMetrics::DockerMetrics(pipeline::Registry& r, const std::string& source, bool is_first)
    : entries(r.counter("skidway_agent_docker_entries_total", "Lines taken from the logs of containers.",
                        {{"source", source}})),
      promtail_entries(
          is_first ? r.counter("promtail_docker_target_entries_total", "Lines taken from the logs of containers.")
                   : elsewhere_),
      faults(r.counter("skidway_agent_docker_parsing_errors_total",
                       "Lines of containers without a time (they are kept), and streams with broken frames.",
                       {{"source", source}})),
      promtail_faults(is_first ? r.counter("promtail_docker_target_parsing_errors_total",
                                           "Lines of containers without a time, and streams with broken frames.")
                               : elsewhere_),
      empty_lines(r.counter("skidway_agent_docker_empty_lines_total", "Empty lines of containers, dropped.",
                            {{"source", source}})),
      cut_bytes(r.counter("skidway_agent_docker_cut_bytes_total", "Bytes cut from lines above max_line_size.",
                          {{"source", source}})),
      reopened(r.counter("skidway_agent_docker_log_reopened_total",
                         "Times a container's log was asked for again where it stood: the daemon or the container "
                         "had stopped.",
                         {{"source", source}})),
      api_errors(r.counter("skidway_agent_docker_api_errors_total",
                           "Requests that the daemon did not answer, or answered with an error.",
                           {{"source", source}})),
      lost_containers(r.counter("skidway_agent_docker_lost_containers_total",
                                "Containers that were removed before their log was read to its end.",
                                {{"source", source}})),
      followed(r.gauge("skidway_agent_docker_followed_containers", "Containers whose log is being followed.",
                       {{"source", source}})) {}

}  // namespace agent
