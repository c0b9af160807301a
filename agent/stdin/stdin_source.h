// StdinSource: standard input as a source, on a thread of its own, because reading it blocks.
//
// Its bytes cannot be read again. At the end of the input what stages hold is flushed, and StreamParts::at_end is
// called when everything is settled (Promtail's -stdin: the program then ends). Life, thread, errors: as StreamSource.
// stop() leaves a last line that has no end yet unread.
#pragma once

#include <memory>
#include <unistd.h>

#include "agent/stream/stream_source.h"
#include "pipeline/config/config.h"

namespace agent {

struct StdinOptions final : StreamOptions {
  std::string place() const override { return "stdin"; }
  int fd = STDIN_FILENO;  // is not closed
};

std::shared_ptr<const StreamOptions> read_stdin(const pipeline::ConfigTable& table);
std::unique_ptr<StreamSource> make_stdin(const StreamParts& parts);

}  // namespace agent
