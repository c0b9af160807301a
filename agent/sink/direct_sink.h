// DirectSink: a sink that is done with an entry as soon as it has taken it: JSON lines on a file descriptor, or nothing
// at all. Its positions move at once; it has no batches and no records.
//
// Thread:  of Sink. Lines of one append() come out in one piece, also with several ports.
// Limits:  a descriptor that does not take the bytes holds its reader up: that is the backpressure.
// Errors:  the first failed write is told to `broken` (once, on the port's thread); from then on the port takes nothing
//          and is full.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/position_saver.h"
#include "agent/sink/progress.h"
#include "agent/sink/sink.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/loop/loop.h"

namespace agent {

class DirectSink final : public Sink {
 public:
  static constexpr int kNoFd = -1;  // discard
  using Broken = std::function<void(pipeline::Error)>;

  // `fd` is not closed. `store` knows options.name.
  DirectSink(pipeline::Loop& loop, SinkOptions options, int fd, Broken broken, CheckpointStore& store,
             pipeline::Registry& registry);

  const std::string& name() const override { return name_; }
  std::unique_ptr<SinkPort> open_port(std::function<void()> on_room) override;
  const std::vector<BatchRecord>& unacked() const override { return unacked_; }
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions options) override;
  std::optional<FilePosition> position(FileId file) const override { return progress_.position(file); }
  void forget(FileId file) override { progress_.forget(file); }
  void stop(std::chrono::nanoseconds patience, std::function<void()> done) override;

 private:
  class Port;
  bool write(std::string_view text);  // false: broken

  pipeline::Loop& loop_;
  SinkOptions options_;  // loop; the name never changes
  const std::string name_;
  const int fd_;
  const Broken broken_;
  SinkMetrics metrics_;
  const KeptRanges kept_;
  Progress progress_;
  PositionSaver saver_;
  const std::vector<BatchRecord> unacked_;  // none
  std::mutex write_mutex_;
  std::atomic<bool> is_broken_{false};
  bool stopped_ = false;
};

}  // namespace agent
