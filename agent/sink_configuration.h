// [[sink]] tables as SinkOptions. Errors go to the document of the table.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/sink/sink_options.h"
#include "pipeline/config/config.h"

namespace agent {

SinkOptions read_sink(const pipeline::ConfigTable& table);

// A table of label names and values; a name that is none is an error at the key.
std::map<std::string, std::string> read_labels(const pipeline::ConfigTable& table, std::string_view key);

}  // namespace agent
