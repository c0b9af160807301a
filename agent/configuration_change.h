// ConfigurationChange: what a running agent has to do to get from one configuration to another. Nothing is done here.
//
// Sources and sinks are told apart by name, and keep a slot (an index) as long as they run: that of their first
// configuration, or one behind all others. Slots are not used again.
// Thread: any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/configuration.h"
#include "pipeline/base/result.h"

namespace agent {

// kInvalid: one a line, what cannot change while the agent runs.
pipeline::Result<void> check_change(const Configuration& now, const Configuration& next, const std::string& name);

// Every entry is printed once, as its source's first sink would get it.
Configuration dry_run_of(Configuration configuration);

std::vector<std::shared_ptr<const SourceOptions>> file_sources(const Configuration& configuration);
std::vector<std::shared_ptr<const SourceOptions>> stream_sources(const Configuration& configuration);

struct SourceChange {
  std::vector<std::shared_ptr<const SourceOptions>>
      sources;                   // by slot; null: removed. Unchanged ones are the same objects
  std::vector<size_t> restaged;  // slots whose stages are others than before
};

// `now`: by slot, null where nothing runs. `next`: of the configuration, its sinks by their place there. `sink_slots`:
// the slot of each sink of the configuration.
SourceChange plan_sources(const std::vector<std::shared_ptr<const SourceOptions>>& now,
                          const std::vector<std::shared_ptr<const SourceOptions>>& next,
                          const std::vector<size_t>& sink_slots);

}  // namespace agent
