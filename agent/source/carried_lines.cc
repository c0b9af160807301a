// FileShard, the part about entries that begin in one file and end in the next of its lineage: a program's log was
// rotated between the pieces of a line, or in a block of lines.
//
// When a file is read to its end and the next one is begun, the stages that hold such lines go over to it with all
// they hold. Positions stay exact: the elder's before the first line held, the younger's where it stood, until the
// stages have handed on everything of the elder. What a batch's record says of such an entry: record_codec.h.
#include <algorithm>
#include <utility>

#include "agent/source/file_shard.h"

namespace agent {

namespace {
bool holds_elders(const TailedFile& tailed) {
  auto holds = [](const pipeline::StageState& state) { return is_in_elder(state.open_from().value_or(0)); };
  return (tailed.stage_state && holds(*tailed.stage_state)) ||
         std::any_of(tailed.kept_states.begin(), tailed.kept_states.end(),
                     [&](const auto& entry) { return holds(*entry.second); });
}
}  // namespace

// What of [0, position) is in no stage any more.
uint64_t FileShard::settled(const TailedFile& tailed, uint64_t position) {
  auto limit = [&](const pipeline::StageState& state) {
    const std::optional<uint64_t> open = state.open_from();
    if (open) position = std::min(position, is_in_elder(*open) ? tailed.joined_from : *open);
  };
  if (tailed.stage_state) limit(*tailed.stage_state);
  for (const auto& [which, state] : tailed.kept_states) limit(*state);
  return std::min(position, tailed.carried_from.value_or(position));
}

// The next file of the lineage, if nothing of it was read.
TailedFile* FileShard::next_unread(const TailedFile& tailed) {
  const auto& lineage = lineages_.at(tailed.file.lineage.value);
  auto next = std::next(std::find(lineage.begin(), lineage.end(), &tailed));
  return next == lineage.end() || (*next)->begun ? nullptr : *next;
}

// Is there more of its lineage to be read?
bool FileShard::goes_on(const TailedFile& tailed) {
  for (const TailedFile* next = next_unread(tailed); next != nullptr; next = next_unread(*next))
    if (next->has_more()) return true;
  return false;
}

// `tailed` is begun: its elders are read to their ends. Empty ones in between hand on what they were given.
void FileShard::take_over_lines(TailedFile& tailed) {
  const auto& lineage = lineages_.at(tailed.file.lineage.value);
  for (size_t i = 0; lineage[i] != &tailed; ++i)
    if (!lineage[i + 1]->begun) carry_over(*lineage[i], *lineage[i + 1]);
  tailed.begun = true;
}

void FileShard::carry_over(TailedFile& from, TailedFile& to) {
  if (!from.holds_lines() || to.holds_lines()) return;
  const uint64_t carried_from = settled(from, from.cursor.position);
  const uint64_t size = std::max(from.cursor.position, from.cursor.seen);  // a cut line may lie behind the position
  auto move_back = [&](pipeline::StageState& state) { state.move_back(size); };
  move_back(*from.stage_state);
  for (auto& [which, state] : from.kept_states) move_back(*state);
  to.stage_state = std::exchange(from.stage_state, source_of(from).stages->make_state());
  to.kept_states = std::exchange(from.kept_states, {});
  to.elders = std::exchange(from.elders, {});
  for (ElderFile& elder : to.elders) elder.begin -= size;
  to.elders.push_back({from.file.id, 0 - size, from.cursor.position, from.file.handle});
  to.joined_from = to.cursor.position;
  if (!to.kept_states.empty()) to.kept_end = std::max<uint64_t>(to.kept_end, 1);  // looked at with the first lines
  to.behind = std::exchange(from.behind, 0);
  to.last_read_time = std::max(to.last_read_time, from.last_read_time);
  from.carried_from = carried_from;
  if (std::exchange(from.holding, false)) std::erase(holding_, &from);
  count_held(from);
  note_due(to);
}

// Nothing of the elders is held any more: they are passed.
void FileShard::release_elders(TailedFile& tailed) {
  if (tailed.restaging || holds_elders(tailed)) return;
  for (const ElderFile& elder : std::exchange(tailed.elders, {})) {
    FilePosition passed{elder.file, elder.end, last_read_time_};
    if (auto found = files_.find(elder.file); found != files_.end()) {
      found->second->carried_from.reset();
      passed.position = settled(*found->second, found->second->cursor.position);
    }
    for (size_t sink : source_of(tailed).sinks) {
      OwedLines& owed = lag_of(sink).owed;
      if (owed.owes(tailed.file.id))
        owed.note_elder(tailed.file.id, passed);
      else
        pass_file(sink, passed);
    }
  }
}

}  // namespace agent
