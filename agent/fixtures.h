// Fixtures: cases in TOML that say what a pipeline has to make of some lines: `skidway-agent test --fixtures FILE`.
//
//   config = "web.toml"                 # beside this file; --config wins
//   now = "2026-11-01T10:00:00Z"        # the read time of lines without a time of their own
//
//   [[case]]
//   name = "levels become a label"
//   source = "web"                      # default: the first of the configuration
//   labels = { app = "shop" }           # of the lines: those that discovery would give, before relabelling
//   lines = ['{"level":"info"}']        # or [[case.entry]] with line, labels, timestamp, structured_metadata
//   metrics = ['loki_process_custom_lines_total 1']   # lines that --metrics has to have
//
//     [[case.expect]]                   # what comes out, in order; a key that is not given is not compared
//     line = '{"level":"info"}'
//     labels = { app = "shop", level = "info" }
//
// `expect = []`: nothing comes out. Each case begins with fresh stages. Relabel rules run before the stages, as in
// `test`; what stages hold back is handed on at the end.
// Thread: any one.
#pragma once

#include <string>

#include "pipeline/base/result.h"
#include "pipeline/stage/test_run.h"

namespace agent {

struct FixtureCounts {
  size_t passed = 0, failed = 0;
};

// Writes a line per passed case, a diff per failed one and `N passed, M failed`. `config`: wins over the file's own;
// may be empty. kInvalid: every fault of the fixture file or of the configuration, one a line; kNotFound, kIo.
pipeline::Result<FixtureCounts> run_fixtures(const std::string& path, const std::string& config,
                                             const pipeline::WriteText& out);

}  // namespace agent
