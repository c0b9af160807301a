#include "pipeline/stage/stage_list.h"

#include <algorithm>

#include "pipeline/base/invariant.h"
#include "pipeline/stage/stage_table.h"

namespace pipeline {

std::optional<uint64_t> StageState::open_from() const {
  std::optional<uint64_t> lowest;
  for (const std::unique_ptr<StageMemory>& memory : memories_) {
    auto from = memory->open_from();
    if (from && (!lowest || stands_before(*from, *lowest))) lowest = from;
  }
  return lowest;
}

size_t StageState::held_bytes() const {
  size_t bytes = 0;
  for (const std::unique_ptr<StageMemory>& memory : memories_) bytes += memory->held_bytes();
  return bytes;
}

void StageState::move_back(uint64_t bytes) {
  for (const std::unique_ptr<StageMemory>& memory : memories_) memory->move_back(bytes);
}

bool StageState::expects_more() const {
  return std::any_of(memories_.begin(), memories_.end(), [](const auto& memory) { return memory->expects_more(); });
}

std::optional<UnixNanos> StageState::due() const {
  std::optional<UnixNanos> first;
  for (const std::unique_ptr<StageMemory>& memory : memories_) {
    auto due = memory->due();
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

std::optional<UnixNanos> StageState::resume_at() const {
  std::optional<UnixNanos> last;
  for (const std::unique_ptr<StageMemory>& memory : memories_) last = std::max(last, memory->resume_at());
  return last;
}

StageList::StageList(std::vector<std::unique_ptr<Stage>> stages) : stages_(std::move(stages)) {
  set_later_reads(FieldNames());
}

std::shared_ptr<const StageList> StageList::build(const ConfigTable& owner, std::string_view key) {
  std::vector<std::unique_ptr<Stage>> stages;
  const std::vector<ConfigTable> tables = owner.tables(key);
  for (const ConfigTable& table : tables) {
    if (auto stage = build_stage(table)) stages.push_back(std::move(stage));
  }
  check_stage_order(tables);
  return std::make_shared<StageList>(std::move(stages));
}

void StageList::append_metrics(MetricPage& page, UnixNanos now) const {
  for (const std::unique_ptr<Stage>& stage : stages_) stage->append_metrics(page, now);
}

void StageList::add_reads(FieldNames& reads) const {
  for (const std::unique_ptr<Stage>& stage : stages_) stage->add_reads(reads);
}

void StageList::set_later_reads(const FieldNames& later) {
  FieldNames reads = later;
  for (size_t i = stages_.size(); i > 0; --i) {
    stages_[i - 1]->set_later_reads(reads);
    stages_[i - 1]->add_reads(reads);
  }
}

std::unique_ptr<StageState> StageList::make_state(StageUse use) const {
  auto state = std::make_unique<StageState>();
  for (const std::unique_ptr<Stage>& stage : stages_) state->memories_.push_back(stage->make_memory(use));
  return state;
}

namespace {
template <class Act>
void watched(Batch& batch, const Stage& stage, Act act) {
  BatchObserver* observer = stage.kind().empty() ? nullptr : batch.observer;  // one without a name is not the user's
  if (observer != nullptr) [[unlikely]]
    observer->before(batch, stage.kind());
  act();
  if (observer != nullptr) [[unlikely]]
    observer->after(batch, stage.kind());
}
}  // namespace

void StageList::process(Batch& batch, StageState& state, DropCounts& drops) const {
  INVARIANT(state.memories_.size() == stages_.size());
  for (size_t i = 0; i < stages_.size() && !batch.empty(); ++i)
    watched(batch, *stages_[i], [&] { stages_[i]->process(batch, *state.memories_[i], drops); });
}

// Entries that `hand_on` adds for a stage go through the stages behind it; what is in `batch` already has been through.
template <class HandOn>
void StageList::run_late(Batch& batch, StageState& state, DropCounts& drops, HandOn hand_on) const {
  INVARIANT(state.memories_.size() == stages_.size());
  batch.push_mask(std::vector<uint8_t>(batch.size(), 0));
  for (size_t i = 0; i < stages_.size(); ++i) {
    watched(batch, *stages_[i], [&] {
      if (!batch.empty()) stages_[i]->process(batch, *state.memories_[i], drops);
      hand_on(*stages_[i], *state.memories_[i]);
    });
  }
  batch.pop_mask();
}

void StageList::flush(Batch& batch, StageState& state, DropCounts& drops) const {
  run_late(batch, state, drops, [&](const Stage& stage, StageMemory& memory) { stage.flush(batch, memory, drops); });
}

void StageList::take_held(Batch& batch, StageState& state) const {
  INVARIANT(state.memories_.size() == stages_.size());
  DropCounts drops;  // nothing is given up
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i]->flush(batch, *state.memories_[i], drops);
}

void StageList::expire(Batch& batch, StageState& state, UnixNanos now, DropCounts& drops) const {
  run_late(batch, state, drops,
           [&](const Stage& stage, StageMemory& memory) { stage.expire(batch, memory, now, drops); });
}

}  // namespace pipeline
