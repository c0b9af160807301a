// ClosedBatch: a push body ready to send, and what must be known about it. Immutable but for its owner's bookkeeping.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/progress.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "agent/spool/spool_log.h"

namespace agent {

struct ClosedBatch {
  BatchNumber number;
  bool rebuilt = false;  // its record is on disk already
  std::string tenant;
  Compression encoding = Compression::kSnappy;  // never kAuto
  std::shared_ptr<const std::string> body;
  std::shared_ptr<const BatchRecord> record;  // no segments: nothing of it can be read again
  Progress::Hold hold = 0;
  std::vector<FileId> files;        // which it holds back
  std::vector<EntryRange> entries;  // where the one file is a stream: those it is made of
  SinkMetrics::Volume volume;
  std::chrono::nanoseconds closed_at{0};  // monotonic
  std::string producer;                   // of the number, where it is not the sink's own: from the spool of another
  std::string origins;                    // encode_origins(), once it is to be spooled or comes from there

  struct Lost {
    std::string reason, detail;
    uint64_t entries = 0;
  };

  // The sink's bookkeeping, on the loop.
  std::vector<Lost> lost;               // what the far side refused for good; all of it is told once it is answered
  std::optional<SpoolFrameId> spooled;  // it is on disk: positions have passed, a restart sends it
  bool entering_spool = false;          // is being written there
  bool answered = false;                // the far side needs it no more
  bool direct = false;                  // sent past the spool
};

}  // namespace agent
