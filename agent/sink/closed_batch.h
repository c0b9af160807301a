// ClosedBatch: a push body ready to send, and what must be known about it. Immutable but for its owner's bookkeeping.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/sink/progress.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"

namespace agent {

struct ClosedBatch {
  BatchNumber number;
  bool rebuilt = false;  // its record is on disk already
  std::string tenant;
  Compression encoding = Compression::kSnappy;  // never kAuto
  std::shared_ptr<const std::string> body;
  std::shared_ptr<const BatchRecord> record;  // no segments: nothing of it can be read again
  Progress::Hold hold = 0;
  std::vector<FileId> files;  // which it holds back
  SinkMetrics::Volume volume;
  std::chrono::nanoseconds closed_at{0};  // monotonic
};

}  // namespace agent
