// What `test` and fixtures have in common: the source whose pipeline is tried, and its relabel rules before the stages.
#pragma once

#include <memory>
#include <string>

#include "agent/configuration.h"
#include "pipeline/base/result.h"
#include "pipeline/stage/drop_counts.h"
#include "pipeline/stage/test_run.h"

namespace agent {

// `name` empty: the first. kInvalid: there is none of that name.
pipeline::Result<std::shared_ptr<const SourceOptions>> find_source(const Configuration& configuration,
                                                                   const std::string& name);

// The JSON lines of `read` with their labels after the relabel rules; what these drop is counted. `source` and `drops`
// outlive it. `explain`, if there is one, is told what the rules did.
pipeline::ReadLine relabelled(const SourceOptions& source, pipeline::ReadLine read, pipeline::DropCounts& drops,
                              pipeline::WriteText explain = nullptr);

}  // namespace agent
