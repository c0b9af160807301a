// FileShard, the part about the memory that stages take for entries they hold (multiline, dedup): it counts in
// memory_limit, and what would take too much of it is handed on early.
#include <algorithm>
#include <limits>

#include "agent/source/file_shard.h"

namespace agent {

namespace {
constexpr uint64_t kMemoryShare = 4;  // of what is available, stages may hold one part when all of it is used
}

void FileShard::count_held(TailedFile& tailed) {
  uint64_t held = tailed.stage_state ? tailed.stage_state->held_bytes() : 0;
  for (const auto& [which, state] : tailed.kept_states) held += state->held_bytes();
  note_held(tailed, held);
}

void FileShard::note_held(TailedFile& tailed, uint64_t held) {
  if (held == tailed.held_bytes) return;
  memory_.add(held);
  memory_.release(tailed.held_bytes);
  held_bytes_ += held - tailed.held_bytes;
  metrics_[tailed.file.source]->held_bytes.add(static_cast<int64_t>(held) - static_cast<int64_t>(tailed.held_bytes));
  tailed.held_bytes = held;
}

// Reading stands still until there is memory again: it must not wait for what it would take to end a long window.
void FileShard::hand_on_early() {
  while (held_bytes_ > memory_.available_bytes() / kMemoryShare && memory_.exceeded() && !holding_.empty()) {
    TailedFile& largest =
        **std::max_element(holding_.begin(), holding_.end(),
                           [](const TailedFile* a, const TailedFile* b) { return a->held_bytes < b->held_bytes; });
    const uint64_t before = largest.held_bytes;
    batch_.clear();
    source_of(largest).stages->expire(batch_, *largest.stage_state, std::numeric_limits<pipeline::UnixNanos>::max(),
                                      drops_);
    note_drops(largest, 0, true);
    metrics_[largest.file.source]->add(drops_);
    metrics_[largest.file.source]->handed_on_early.add();
    hand_on(largest);
    count_held(largest);
    if (largest.held_bytes >= before) return;
  }
}

}  // namespace agent
