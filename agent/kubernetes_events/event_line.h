// EventLine: an event of the Kubernetes API (core/v1) as a log line, as Alloy writes it (agent.md 4.7).
//
// Thread: any.
#pragma once

#include <string>

#include "agent/kubernetes/api_object.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/model/label_set.h"

namespace agent {

enum class EventFormat { kLogfmt, kJson };

struct EventLine {
  std::string uid, version;
  pipeline::UnixNanos time = 0;  // lastTimestamp, else eventTime, else of its creation; 0: none can be read
  std::string text;
  pipeline::LabelSet labels;  // namespace of the object it is about, __meta_kubernetes_event_*

  // kInvalid: it is about nothing that has a name.
  static pipeline::Result<EventLine> read(const ObjectReader& event, EventFormat format);
};

}  // namespace agent
