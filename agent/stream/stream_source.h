// StreamSource: a [[source]] whose entries come from somewhere else than files: a journal, a socket, an API. Each type
// has a room of its own (agent/journal, agent/syslog, ...) and a line in agent/stream_types.cc.
//
//   StreamSource (loop, or a thread of its own) --Parcel--> StreamReader (a thread): relabel, stages --> SinkPort
//         ^-------------------- settled: acked, or kept in the spool, by its sinks ------------------------|
//
// Life:    made, then start() once, then stop() once; destroyed on the loop. The reader outlives it.
// Thread:  loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/target.h"
#include "agent/sink/memory_budget.h"
#include "agent/source/source_options.h"
#include "agent/stream/stream_cursors.h"
#include "agent/stream/stream_reader.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "pipeline/loop/loop.h"

namespace agent {

class HttpListeners;  // agent/receiver: addresses that several sources share

// All outlive the source.
struct StreamParts {
  pipeline::Loop& loop;
  std::shared_ptr<const SourceOptions> options;  // `options->stream` is of the source's own type
  StreamReader& reader;
  StreamCursors cursors;  // of types that can be read again
  MemoryBudget& memory;
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  HttpListeners* listeners = nullptr;  // null in tests of sources that do not listen for HTTP
  std::function<void()> at_end = {};   // of an input that has one: everything of it is settled. Called on the loop
};

class StreamSource {
 public:
  virtual ~StreamSource() = default;

  // Begins to take entries. An error (an address that is taken) ends the start of the agent; what can get better by
  // itself (a journal that is not there yet) is not one: it is tried again, and unready() tells.
  virtual pipeline::Result<void> start() = 0;

  // Takes nothing more. Clients whose entries were taken still get their answer when these settle.
  virtual void stop() = 0;

  // Why it does not take entries (yet): one sentence; empty: it does.
  virtual std::string unready() const { return {}; }

  // What it reads, for /targets.
  virtual std::vector<Target> targets() const = 0;
};

}  // namespace agent
