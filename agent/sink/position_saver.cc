#include "agent/sink/position_saver.h"

namespace agent {

namespace {
constexpr std::chrono::seconds kSaveEvery{1};
}

PositionSaver::PositionSaver(pipeline::Loop& loop, CheckpointStore& store, std::string sink, Progress& progress)
    : loop_(loop),
      store_(store),
      sink_(std::move(sink)),
      progress_(progress),
      timer_(loop, [this] { save(); }),
      self_(std::make_shared<PositionSaver*>(this)) {}

PositionSaver::~PositionSaver() = default;

void PositionSaver::progressed() {
  if (waiting_.load(std::memory_order_relaxed) || waiting_.exchange(true)) return;
  loop_.post([weak = std::weak_ptr<PositionSaver*>(self_)] {
    if (auto self = weak.lock()) (*self)->timer_.start(kSaveEvery);
  });
}

void PositionSaver::acked(BatchNumber number) {
  acked_.push_back(number);
  progressed();
}

void PositionSaver::save() {
  waiting_ = false;
  timer_.stop();
  for (BatchNumber number : acked_) store_.ack(sink_, number);
  acked_.clear();
  if (std::vector<FilePosition> changed = progress_.take_changed(); !changed.empty())
    store_.save_positions(sink_, std::move(changed));
}

}  // namespace agent
