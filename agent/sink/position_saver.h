// PositionSaver: carries a sink's acks and positions to the checkpoint store about once a second, not one by one.
//
// Thread: loop, except progressed() (any).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/progress.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

class PositionSaver {
 public:
  PositionSaver(pipeline::Loop& loop, CheckpointStore& store, std::string sink, Progress& progress);
  ~PositionSaver();

  void progressed();  // positions may have moved. Thread: any
  void acked(BatchNumber number);
  void save();  // now

 private:
  pipeline::Loop& loop_;
  CheckpointStore& store_;
  const std::string sink_;
  Progress& progress_;
  std::vector<BatchNumber> acked_;
  std::atomic<bool> waiting_{false};  // the timer runs, or soon will
  pipeline::Timer timer_;
  std::shared_ptr<PositionSaver*> self_;  // for tasks that may come after our end
};

}  // namespace agent
