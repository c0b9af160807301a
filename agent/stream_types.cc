#include "agent/stream_types.h"

#include <span>

#include "agent/docker/docker_options.h"
#include "agent/docker/docker_source.h"
#include "agent/journal/journal_options.h"
#include "agent/journal/journal_source.h"
#include "agent/kubernetes_events/events_source.h"
#include "agent/receiver/receiver_source.h"
#include "agent/stdin/stdin_source.h"
#include "agent/syslog/syslog_options.h"
#include "agent/syslog/syslog_source.h"

namespace agent {

namespace {
// A line for each type.
constexpr StreamType kTypes[] = {
    {"docker", read_docker, make_docker, true},
    {"kubernetes_events", read_events, make_events, true},
    {"journal", read_journal, make_journal, true, true},
    {"syslog", read_syslog, make_syslog},
    {"push", read_push, make_push},
    {"otlp", read_otlp, make_otlp},
    {"stdin", read_stdin, make_stdin},
};
std::span<const StreamType> all_types() { return kTypes; }
}  // namespace

const StreamType* find_stream_type(std::string_view name) {
  for (const StreamType& type : all_types())
    if (type.name == name) return &type;
  return nullptr;
}

std::vector<std::string_view> stream_type_names() {
  std::vector<std::string_view> names;
  for (const StreamType& type : all_types()) names.push_back(type.name);
  return names;
}

}  // namespace agent
