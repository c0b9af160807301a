// EventsSource: the source type kubernetes_events: watches the events of the API, makes lines of them, and keeps the
// resource version up to which the sink has them. The keys stand in README.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/kubernetes/kubernetes_options.h"
#include "agent/kubernetes_events/event_line.h"
#include "agent/stream/stream_source.h"
#include "pipeline/config/config.h"

namespace agent {

struct EventsOptions final : StreamOptions {
  std::string place() const override { return api.server + "/api/v1/events"; }

  ApiEndpoint api;
  std::vector<std::string> namespaces;  // empty: all
  EventFormat format = EventFormat::kLogfmt;
  std::string job_name;
};

// Errors go to the document of the table.
std::shared_ptr<const StreamOptions> read_events(const pipeline::ConfigTable& table);
std::unique_ptr<StreamSource> make_events(const StreamParts& parts);

}  // namespace agent
