// StdinReader: standard input as a source; a shard of its own, because reading it blocks.
//
// Its bytes cannot be read again: they are in no record and have no checkpoint, so what is not yet acknowledged when
// the program is killed is gone. The end of the input flushes stages and sinks and calls `ended` once (Promtail's
// -stdin: the program then drains and exits). Thread:  start, stop: loop. `ended`: the reader's own thread. Sinks: that
// thread only.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/sink/memory_budget.h"
#include "agent/sink/sink.h"
#include "agent/source/file_reader.h"
#include "agent/source/source_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/model/label_set.h"

namespace agent {

class StdinReader {
 public:
  // `fd` is not closed. `labels`: of the target, after relabelling.
  StdinReader(int fd, std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels, MemoryBudget& memory,
              const pipeline::Clock& clock, pipeline::Registry& metrics);
  ~StdinReader();

  void set_ports(std::vector<std::unique_ptr<SinkPort>> ports);  // SourceOptions::sinks index into these
  void start(std::function<void()> ended);
  void stop();
  void wake();  // a port has room again. Thread: any.

  // As FileReader::change(), for its one source: what old stages hold is flushed, for it cannot be read again. Returns
  // when it is done.
  void change(std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels,
              std::vector<ReaderChange::Port> ports);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent
