// Configuration of the agent: agent.toml as typed values (interfaces.md), every error found at once.
//
// `include = ["conf.d/*.toml"]`, which is also the default: files beside it whose [[source]] and [[sink]] tables belong
// to it, in the order of their names. Wildcards are the shell's; `include = []` takes none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/sink/sink_options.h"
#include "agent/source/deleted_files.h"
#include "agent/source/source_options.h"
#include "pipeline/base/result.h"
#include "pipeline/config/config.h"

namespace agent {

struct Configuration {
  std::string data_dir = "/var/lib/skidway-agent";
  uint64_t memory_limit_bytes = 64 << 20;
  uint64_t hold_deleted_bytes = kDefaultHoldDeletedBytes;  // unread, of deleted files; 0: those are let go at once
  size_t workers = 1;                                      // shards: threads that read files and encode
  std::string http_listen = "127.0.0.1:9080";
  std::vector<std::shared_ptr<const SourceOptions>> sources;
  std::vector<SinkOptions> sinks;
  std::string text;  // of the file, without what must stay secret: for /config
};

// What is allowed and has a consequence that is easily overlooked; a sentence each.
std::vector<std::string> cautions(const Configuration& configuration);

// What the configuration is for: `test` and `targets` need no sink; an explanation needs every extracted value, also
// those that no later stage looks at.
enum class Needs { kSinks, kSourcesOnly, kExplanation };

// kInvalid: all errors, one a line, as FILE:LINE:COLUMN: what; remedy. kNotFound, kIo: the file cannot be read.
pipeline::Result<Configuration> load_configuration(const std::string& path, Needs needs);
pipeline::Result<Configuration> parse_configuration(
    std::string_view text, const std::string& name, Needs needs,
    const pipeline::ConfigDocument::Environment& environment = pipeline::ConfigDocument::process_environment());

}  // namespace agent
