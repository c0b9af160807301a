// FileShard, the part that saves descriptors: which files are closed until there is something to read, and opening them
// again. See open_files.h.
#include <algorithm>

#include "agent/source/file_shard.h"

namespace agent {

namespace {
constexpr std::chrono::nanoseconds kClosingEvery = std::chrono::seconds(1);
}  // namespace

// Were it closed and deleted, nothing would be missing. What stages hold of a file may be needed again: for other
// stages, after a change of the configuration.
bool FileShard::is_read(const TailedFile& tailed) const {
  return !tailed.has_more() && !tailed.has_tail() && !tailed.cursor.cut_line_at && !tailed.gone &&
         !tailed.holds_lines() && !is_owed(tailed);
}

// Some sink is to get lines of it that have to be read again, for itself or for an entry that ends in a younger file.
bool FileShard::is_owed(const TailedFile& tailed) const {
  const auto& sinks = source_of(tailed).sinks;
  return std::any_of(sinks.begin(), sinks.end(), [&](size_t sink) {
    if (sink >= lags_.size()) return false;
    const OwedLines& owed = lags_[sink]->owed;
    return owed.owes(tailed.file.id) || owed.begins_in(tailed.file.id);
  });
}

// Quiet ones, least recent first, while descriptors are scarce.
void FileShard::close_quiet_files(nanoseconds now) {
  if (options_.open_files == nullptr || !options_.open_files->scarce() || now < next_closing_) return;
  next_closing_ = now + kClosingEvery;
  close_sleeping_files(now - options_.close_after);
  std::vector<TailedFile*> quiet;
  for (auto& [id, tailed] : files_) {
    if (tailed->file.handle->is_open() && tailed->watched && now - tailed->changed_at >= options_.close_after &&
        is_read(*tailed))
      quiet.push_back(tailed.get());
  }
  std::sort(quiet.begin(), quiet.end(),
            [](const TailedFile* a, const TailedFile* b) { return a->changed_at < b->changed_at; });
  for (TailedFile* tailed : quiet) {
    if (options_.open_files->too_many() == 0) return;
    if (look(*tailed, now) && is_read(*tailed)) (void)tailed->file.handle->park();
  }
}

// Those that have not changed since then. One that was written to a moment ago stays open: its watch will tell.
void FileShard::close_sleeping_files(nanoseconds since) {
  std::vector<std::pair<nanoseconds, FileId>> open;
  sleeping_.for_each([&](FileId id, const SleepingFiles::Sleeper& sleeper) {
    if (sleeper.handle->is_open() && sleeper.changed_at() <= since) open.emplace_back(sleeper.changed_at(), id);
  });
  std::sort(open.begin(), open.end());
  for (const auto& [changed_at, id] : open) {
    if (options_.open_files->too_many() == 0) return;
    const SleepingFiles::Sleeper& sleeper = *sleeping_.find(id);
    auto status = sleeper.handle->status();
    if (status && status->size_bytes == sleeper.position) (void)sleeper.handle->park();
  }
}

// No descriptor is left: files that are read to their end are closed however recently they changed, then those of which
// stages hold lines (that may go on in a file which waits for a descriptor), and, if there are none, those that stand
// in line last. `wanted` is to be read now.
void FileShard::make_room(nanoseconds now, const TailedFile* wanted) {
  close_sleeping_files(now);
  if (!options_.open_files->full()) return;
  struct Candidate {
    TailedFile* tailed;
    int rank;
  };
  auto rank_of = [&](const TailedFile& tailed) {
    if (is_read(tailed)) return 0;
    return tailed.holds_lines() && !tailed.has_more() ? 1 : 2;
  };
  std::vector<Candidate> candidates;
  for (auto& [id, tailed] : files_) {
    if (tailed.get() != wanted && !tailed->gone && tailed->file.handle->is_open())
      candidates.push_back({tailed.get(), rank_of(*tailed)});
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    return a.rank < 2 ? a.tailed->changed_at < b.tailed->changed_at
                      : a.tailed->file.birth_order > b.tailed->file.birth_order;
  });
  const uint64_t enough = options_.open_files->too_many();
  uint64_t closed = 0;
  for (const auto& [tailed, rank] : candidates) {
    if (closed >= enough || (closed > 0 && rank == 2)) return;
    closed += look(*tailed, now) && tailed->file.handle->park() ? 1 : 0;
  }
}

// True: the file can be read. Whether it was truncated and written anew meanwhile is seen with the read.
bool FileShard::open_again(TailedFile& tailed, nanoseconds now) {
  if (tailed.file.handle->is_open()) return true;
  if (options_.open_files->full()) make_room(now, &tailed);
  if (options_.open_files->full()) return false;
  if (!tailed.file.handle->head()) return false;  // renamed a moment ago: its new name is on its way
  return true;
}

// A file that was deleted while it was closed.
void FileShard::count_lost(TailedFile& tailed) {
  const uint64_t lost = lose_rest(tailed, "read:closed_when_deleted");
  if (lost == 0) return;
  metrics_[tailed.file.source]->lost_bytes.add(lost);
  pipeline::log_error("file was deleted while it was closed for want of descriptors",
                      {{"path", tailed.file.path}, {"lost_bytes", lost}});
}

void FileShard::replaced(InodeKey key, size_t source) {
  for (TailedFile* tailed = find(key, source); tailed != nullptr; tailed = find(key, source)) {
    count_lost(*tailed);
    flush_stages(*tailed);
    ledger_.finished(tailed->file.id, tailed->cursor.position);
    drop(*tailed);
  }
}

}  // namespace agent
