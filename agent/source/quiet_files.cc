// FileShard, the part about files that nobody writes to: they are watched instead of polled, and sleep
// (sleeping_files.h) until something happens to them.
#include <algorithm>

#include "agent/source/file_shard.h"

namespace agent {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::nanoseconds kUnwatchedEvery = 1s;  // quiet files that get no watch
constexpr int kWatchesPerTurn = 256;                      // some 2 ms
}  // namespace

// What the watches should have told, but a network file system may not.
void FileShard::check_quiet_files(nanoseconds now) {
  wake_changed(now);
  std::vector<TailedFile*> quiet;  // a truncated file changes its place in files_
  for (auto& [id, tailed] : files_) {
    if (tailed->watched) quiet.push_back(tailed.get());
  }
  for (TailedFile* tailed : quiet) look(*tailed, now);
}

// A file without writes for a while is watched instead of polled. False: it stays polled.
bool FileShard::rest_if_quiet(TailedFile& tailed, nanoseconds now) {
  if (now - tailed.changed_at < options_.quiet_after) return false;
  if (tailed.at_rest && (tailed.gone || tailed.has_tail())) return false;  // waits to be finished
  return watch(tailed, now);
}

bool FileShard::watch(TailedFile& tailed, nanoseconds now) {
  if (!watch_.watch(*tailed.file.handle, tailed.file.id.value)) {
    tailed.next_look = now + kUnwatchedEvery;
    return false;
  }
  if (!look(tailed, now) || tailed.dirty) return false;  // what was written before the watch was set
  tailed.watched = true;
  tailed.active = false;
  let_labels_go(tailed);
  return true;
}

// Nothing would be missing if all were forgotten but what SleepingFiles keeps, and no other file waits for this one.
bool FileShard::may_sleep(const TailedFile& tailed) const {
  return tailed.watched && is_read(tailed) && !tailed.at_rest && !tailed.condemned && !tailed.failed && !tailed.waits &&
         !tailed.dirty && !tailed.holding && tailed.behind == 0 && tailed.lag_bytes == 0 && tailed.held_bytes == 0 &&
         tailed.cursor.position == tailed.size_bytes && tailed.counted_bytes == tailed.size_bytes &&
         tailed.kept_end <= tailed.cursor.position && tailed.elders.empty() && !tailed.carried_from &&
         lineages_.at(tailed.file.lineage.value).size() == 1;
}

void FileShard::sleep(TailedFile& tailed) {
  if (!may_sleep(tailed)) return;
  if (tailed.stage_state && source_of(tailed).stages->empty()) tailed.stage_state.reset();
  if (tailed.path_metrics->is_shared()) tailed.path_metrics.reset();
  metrics_[tailed.file.source]->sleeping_files.add(1);
  sleeping_.put(take_out(tailed));
}

// Found at the first scan with nothing to read: none of many may cost more than it does asleep, nor delay the others.
// Its watch is set when the scan is done.
void FileShard::sleep_at_once(TailedFile& tailed) {
  if (tailed.has_more() || tailed.at_rest || tailed.file.handle->is_gzip() || active_.back() != &tailed) return;
  count_lag(tailed);
  tailed.watched = true;
  if (!may_sleep(tailed)) {
    tailed.watched = false;
    return;
  }
  active_.pop_back();
  tailed.active = false;
  let_labels_go(tailed);
  unwatched_sleepers_.push_back(tailed.file.id);
  sleep(tailed);
}

// Those that sleep without one get their watch, some in each turn. True: there are more.
bool FileShard::watch_sleepers(nanoseconds now) {
  for (int i = 0; i < kWatchesPerTurn && !unwatched_sleepers_.empty(); ++i) {
    const FileId id = unwatched_sleepers_.front();
    unwatched_sleepers_.pop_front();
    const SleepingFiles::Sleeper* sleeper = sleeping_.find(id);
    if (sleeper == nullptr) continue;
    const bool watched = watch_.watch(*sleeper->handle, id.value);
    auto status = sleeper->handle->status();  // what was written before the watch was set
    if (!watched || !status || status->size_bytes != sleeper->position || status->links == 0) look(*wake(id, now), now);
  }
  return !unwatched_sleepers_.empty();
}

// Null: it does not sleep.
TailedFile* FileShard::wake(FileId id, nanoseconds now) {
  std::unique_ptr<TailedFile> owned = sleeping_.take(id);
  if (!owned) return nullptr;
  TailedFile& tailed = insert(std::move(owned));
  metrics_[tailed.file.source]->sleeping_files.add(-1);
  if (!tailed.path_metrics) tailed.path_metrics = metrics_[tailed.file.source]->other_paths();
  if (!tailed.stage_state && source_of(tailed).stages) tailed.stage_state = source_of(tailed).stages->make_state();
  note_kept(tailed);
  activate(tailed, now);
  return &tailed;
}

void FileShard::wake_at(InodeKey key, nanoseconds now) {
  for (FileId id : sleeping_.at_inode(key)) wake(id, now);
}

// Those that are not as they were.
void FileShard::wake_changed(nanoseconds now) {
  std::vector<FileId> changed;
  sleeping_.for_each([&](FileId id, const SleepingFiles::Sleeper& sleeper) {
    auto status = sleeper.handle->status();
    if (status && (status->size_bytes != sleeper.position || status->links == 0)) changed.push_back(id);
  });
  for (FileId id : changed) look(*wake(id, now), now);
}

}  // namespace agent
