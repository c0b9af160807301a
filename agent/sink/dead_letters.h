// DeadLetters: a folder for batches that a server refused for good: readable JSON lines, one per entry, as
// `skidway-agent test` prints them, with sink, tenant, reason, status and the server's text at the end of each.
//
//   DIR/SINK-N.jsonl, N rising; a file ends at an eighth of the limit. The oldest go when all together pass the limit.
//
// Life:    made on the loop, outlived by it; destruction answers what waits with kCancelled.
// Thread:  loop. Writing and syncing is a worker's.
// Errors:  kIo: the folder cannot be written to; the file is cut back to what it was.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/sink/closed_batch.h"
#include "agent/sink/push_answer.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/result.h"
#include "pipeline/loop/worker_pool.h"

namespace agent {

class DeadLetters {
 public:
  using Done = std::function<void(pipeline::Result<void>)>;

  DeadLetters(pipeline::Loop& loop, DeadLetterOptions options, std::string sink, SinkMetrics& metrics);
  ~DeadLetters();

  // `done` on the loop, when the lines are on disk. Of a batch that was kept in part only the refused streams are
  // written, as far as the server told which.
  void write(std::shared_ptr<const ClosedBatch> batch, std::string reason, const PushAnswer& answer, Done done);

 private:
  class Folder;  // the worker's
  const std::string sink_;
  std::shared_ptr<Folder> folder_;
  pipeline::WorkerPool worker_;
};

}  // namespace agent
