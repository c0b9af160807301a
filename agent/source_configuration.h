// [[source]] tables as SourceOptions. Errors go to the document of the table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/source/source_options.h"
#include "pipeline/config/config.h"

namespace agent {

enum class Fields { kAsNeeded, kAll };  // which extracted values the stages make

// `sink_names`: those of the program, in order.
SourceOptions read_source(const pipeline::ConfigTable& table, const std::vector<std::string>& sink_names,
                          Fields fields = Fields::kAsNeeded);

}  // namespace agent
