// FileShard, the part about lines of an earlier run, which some of its sinks have already (KeptRanges).
//
// Lines that every sink has do not go through the stages again. Those that some have go through them apart from the
// others, with a state for each combination of sinks: an entry is then made of lines that a sink has or of lines that
// it does not have, never of both, so that a sink can tell by the first one. Without that, lines that stages now join
// to others than in the earlier run would be lost or come twice.
#include <algorithm>
#include <limits>

#include "agent/source/file_shard.h"

namespace agent {

namespace {
// Which sinks have a line, by bits. With more sinks than bits nothing is told apart here: each port leaves out what it
// has, and takes an entry of which it has a part (twice is better than never).
using Sinks = uint64_t;
constexpr size_t kMaxSinks = std::numeric_limits<Sinks>::digits - 1;
}  // namespace

void FileShard::note_kept(TailedFile& tailed) {
  tailed.kept_end = 0;
  for (size_t sink : source_of(tailed).sinks) {
    if (const KeptRanges::OfFile* kept = ports_[sink]->kept(tailed.file.id))
      tailed.kept_end = std::max(tailed.kept_end, kept->end());
  }
}

// Leaves in batch_ the lines that no sink has, and hands the others on.
void FileShard::read_kept(TailedFile& tailed) {
  const SourceOptions& source = source_of(tailed);
  const size_t sinks = source.sinks.size();
  if (sinks > kMaxSinks) return;
  std::vector<Sinks> having(batch_.size(), 0);
  for (size_t k = 0; k < sinks; ++k) {
    const KeptRanges::OfFile* kept = ports_[source.sinks[k]]->kept(tailed.file.id);
    for (size_t i = 0; kept && i < having.size(); ++i)
      if (kept->has(batch_.origins[batch_.origin_begin[i]])) having[i] |= Sinks{1} << k;
  }
  const Sinks all = (Sinks{1} << sinks) - 1;
  std::map<Sinks, std::vector<size_t>> groups;
  std::vector<uint8_t> keep(batch_.size(), 1);
  for (size_t i = 0; i < having.size(); ++i) {
    // Without stages an entry is a line, and a sink needs no help.
    if (having[i] == 0 || (having[i] != all && !tailed.stage_state)) continue;
    keep[i] = 0;
    if (having[i] != all) groups[having[i]].push_back(i);
  }
  const uint64_t begin = batch_.empty() ? tailed.cursor.position : batch_.origins.front().begin;
  for (const auto& [which, rows] : groups) process_kept(tailed, which, rows, begin);
  // In a rotated file what is held may go on in the next one.
  if (tailed.cursor.position >= tailed.kept_end && (!tailed.holds_kept_lines() || !goes_on(tailed))) {
    if (source.stages) flush_kept(tailed, *source.stages, begin);  // the other lines of the block come after it
    tailed.kept_end = 0;
  }
  batch_.retain(keep);
}

void FileShard::process_kept(TailedFile& tailed, uint64_t which, const std::vector<size_t>& rows, uint64_t passed) {
  pipeline::Batch apart(labels_);
  for (size_t row : rows)
    apart.add(batch_.lines[row], batch_.times[row], batch_.labels[row], batch_.origins[batch_.origin_begin[row]]);
  const pipeline::StageList& stages = *source_of(tailed).stages;
  std::unique_ptr<pipeline::StageState>& state = tailed.kept_states[which];
  if (!state) state = stages.make_state();
  stages.process(apart, *state, drops_);
  metrics_[tailed.file.source]->add(drops_);
  hand_on_apart(tailed, apart, passed);
}

// What is still held of such lines goes on. `stages` are those that hold it.
void FileShard::flush_kept(TailedFile& tailed, const pipeline::StageList& stages, uint64_t passed) {
  while (!tailed.kept_states.empty()) {
    auto first = tailed.kept_states.begin();
    const uint64_t open_from = settled(tailed, passed);
    pipeline::Batch apart(labels_);
    stages.flush(apart, *first->second, drops_);
    metrics_[tailed.file.source]->add(drops_);
    tailed.kept_states.erase(first);
    hand_on_apart(tailed, apart, open_from);
  }
}

// `passed`: everything before has gone through the stages.
void FileShard::hand_on_apart(TailedFile& tailed, const pipeline::Batch& batch, uint64_t passed) {
  if (batch.empty()) return;
  passed = settled(tailed, passed);
  for (size_t sink : source_of(tailed).sinks)
    hand_on_to(sink, tailed, batch, {tailed.file.id, passed, last_read_time_});
  if (!tailed.elders.empty()) release_elders(tailed);
}

}  // namespace agent
