#include "agent/source/file_shard.h"

#include <algorithm>
#include <utility>

#include "pipeline/base/invariant.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::Clock;
using pipeline::Registry;

namespace {
constexpr int kBlocksPerTurn = 4;                   // 1 MiB: a backlog does not starve its neighbours
constexpr std::chrono::nanoseconds kGather = 50ms;  // between a quiet file's first write and our look
constexpr int kCheckShare = 1000;                   // of the time, quiet files get no more than one part
constexpr int64_t kCatchUp = 100'000'000;           // by which read times come nearer to the clock with each read; ns
// A label set takes some 1.3 KiB, with what the ports remember of it.
size_t most_label_sets(const MemoryBudget& memory) {
  return std::clamp<size_t>(memory.limit_bytes() / (32 << 10), 1024, 65'536);
}
}  // namespace

FileShard::FileShard(FileReaderOptions options, std::vector<std::shared_ptr<const SourceOptions>> sources,
                     FileLedger& ledger, MemoryBudget& memory, const Clock& clock, Registry& metrics)
    : options_(options),
      sources_(std::move(sources)),
      ledger_(ledger),
      memory_(memory),
      clock_(clock),
      registry_(metrics),
      lost_bytes_(metrics.counter("skidway_agent_source_lost_bytes_total",
                                  "Bytes of unacknowledged batches that could not be read again after a restart.",
                                  {{"source", "unknown"}})),
      unwatched_(metrics.gauge("skidway_agent_source_polled_quiet_files",
                               "Quiet files without an inotify watch, looked at every second instead.")),
      most_label_sets_(most_label_sets(memory)),
      batch_(labels_),
      block_(memory),
      deleted_(options.deleted ? options.deleted : std::make_shared<DeletedFiles>(kDefaultHoldDeletedBytes, metrics)) {
  for (const auto& source : sources_) metrics_.push_back(std::make_unique<SourceMetrics>(metrics, source->name));
}

FileShard::~FileShard() {
  for (auto& [id, tailed] : files_) note_held(*tailed, 0);
}

// --- what discovery tells

void FileShard::offer(OfferedFile offer) {
  last_read_time_ = std::max(last_read_time_, offer.last_read_time);
  TailedFile& tailed = add(std::make_unique<TailedFile>(std::move(offer)));
  if (!tailed.file.handle->is_gzip()) tailed.size_bytes = tailed.file.size_bytes;
  if (source_of(tailed).stages) tailed.stage_state = source_of(tailed).stages->make_state();
  note_kept(tailed);
  if (tailed.file.fresh) {
    if (tailed.cursor.position > 0)
      ledger_.dropped(source_of(tailed), tailed.file.id, "read:before_start", tailed.cursor.position,
                      tailed.cursor.position);
    batch_.clear();
    hand_on(tailed);  // the sinks note where reading starts
  }
  if (reading_)
    look(tailed, tailed.changed_at);
  else
    sleep_at_once(tailed);
}

TailedFile& FileShard::add(std::unique_ptr<TailedFile> owned) {
  nanoseconds now = clock_.monotonic();
  if (auto elder = sleeping_.of_lineage(owned->file.lineage)) wake(*elder, now);
  TailedFile& tailed = insert(std::move(owned));
  metrics_[tailed.file.source]->open_files.add(1);
  tailed.path_metrics = path_metrics(tailed);
  tailed.changed_at = now;
  activate(tailed, now);
  return tailed;
}

// Files of one birth: the last one added comes first (the copy of a truncated file, before what is new in it).
TailedFile& FileShard::insert(std::unique_ptr<TailedFile> owned) {
  TailedFile& tailed = *owned;
  files_[tailed.file.id] = std::move(owned);
  by_inode_.emplace(tailed.file.identity.key, &tailed);
  auto& lineage = lineages_[tailed.file.lineage.value];
  auto younger = std::find_if(lineage.begin(), lineage.end(), [&](const TailedFile* other) {
    return other->file.birth_order >= tailed.file.birth_order;
  });
  lineage.insert(younger, &tailed);
  return tailed;
}

// It is followed no more, or otherwise.
std::unique_ptr<TailedFile> FileShard::take_out(TailedFile& tailed) {
  for (auto [it, last] = by_inode_.equal_range(tailed.file.identity.key); it != last; ++it) {
    if (it->second != &tailed) continue;
    by_inode_.erase(it);
    break;
  }
  auto lineage = lineages_.find(tailed.file.lineage.value);
  std::erase(lineage->second, &tailed);
  if (lineage->second.empty()) lineages_.erase(lineage);
  return std::move(files_.extract(tailed.file.id).mapped());
}

void FileShard::scan_done(std::shared_ptr<const FoundFiles> found) {
  reading_ = true;
  next_look_ = 0ns;  // nobody has looked at what was offered yet
  rebuild_by_ = clock_.monotonic() + options_.finish_after;
  if (rebuilder_) {
    rebuilder_->scanned(*found);
  } else if (!rebuild_jobs_.empty()) {
    rebuilder_ = std::make_unique<Rebuilder>(sources_, metrics_, lost_bytes_, std::move(found), block_, labels_);
  }
}

// --- the turn

std::optional<std::chrono::nanoseconds> FileShard::turn() {
  nanoseconds now = clock_.monotonic();
  take_watch_events(now);
  if (!active_.empty() && now >= next_look_) look_at_files(now);
  if (now >= next_check_) {
    check_quiet_files(now);
    next_check_ = now + std::max<nanoseconds>(options_.check_every, kCheckShare * (clock_.monotonic() - now));
  }
  close_quiet_files(now);
  expire_held();
  hand_on_early();
  bool more = reading_ && rebuild_some();
  if (reading_ && watch_sleepers(now)) more = true;
  if (reading_ && pay_some()) more = true;
  if (reading_ && read_dirty(now)) more = true;

  now = clock_.monotonic();
  std::optional<nanoseconds> rest;
  auto until = [&](nanoseconds when) {
    nanoseconds wait = std::max<nanoseconds>(when - now, 0ns);
    rest = rest ? std::min(*rest, wait) : wait;
  };
  for (const auto& port : ports_) {
    if (!port) continue;  // its sink was removed
    auto deadline = port->deadline();
    if (deadline && *deadline <= now) {
      port->close_due(now);
      deadline = port->deadline();
    }
    if (deadline) until(*deadline);
  }
  if (!active_.empty()) until(next_look_);
  if (!files_.empty() || !sleeping_.empty()) until(next_check_);
  if (!holding_.empty()) until(now + nanoseconds(std::max<int64_t>(next_due_ - clock_.wall(), 0)));
  if (!dirty_.empty() || rebuilder_) until(now + options_.poll_every);  // a port is full; its wake() may come first
  if (more) rest = 0ns;
  return rest;
}

void FileShard::close() {
  for (const auto& port : ports_)
    if (port) port->close_all();
}

bool FileShard::rebuild_some() {
  if (!rebuilder_) return false;
  const bool patient = clock_.monotonic() < rebuild_by_;
  auto job = std::find_if(rebuild_jobs_.begin(), rebuild_jobs_.end(), [&](const RebuildJob& j) {
    return !ports_[j.port]->full() && !rebuilder_->may_come(*j.record) && (!patient || rebuilder_->can_read(*j.record));
  });
  if (job == rebuild_jobs_.end() || memory_.exceeded()) return false;
  for (const Rebuilder::Lost& lost : rebuilder_->rebuild(*job->record, *ports_[job->port]))
    ledger_.dropped_by(job->port, lost.file, "read:rebuild", lost.bytes, lost.end);
  rebuild_jobs_.erase(job);
  if (rebuild_jobs_.empty()) rebuilder_.reset();
  return true;
}

// --- looking

void FileShard::take_watch_events(nanoseconds now) {
  tokens_.clear();
  bool lost = watch_.take(tokens_);
  for (uint64_t token : tokens_) {
    auto found = files_.find(FileId{token});
    if (found != files_.end())
      activate(*found->second, now);
    else
      wake(FileId{token}, now);
  }
  if (!lost) return;
  wake_changed(now);
  for (auto& [id, tailed] : files_) activate(*tailed, now);
}

void FileShard::activate(TailedFile& tailed, nanoseconds now) {
  tailed.next_look = now;
  if (tailed.active) return;
  if (active_.empty()) next_look_ = now + (reading_ ? kGather : nanoseconds(options_.check_every));
  tailed.active = true;
  tailed.watched = false;
  active_.push_back(&tailed);
}

void FileShard::look_at_files(nanoseconds now) {
  next_look_ = now + (reading_ ? options_.poll_every : options_.check_every);
  std::vector<TailedFile*> still_active, resting, silent, condemned;
  int64_t unwatched = 0;
  for (size_t i = 0; i < active_.size(); ++i) {  // a look at a truncated file may add one
    TailedFile* tailed = active_[i];
    const bool looked = now >= tailed->next_look;
    if (looked) look(*tailed, now);
    if (tailed->dirty || !rest_if_quiet(*tailed, now)) {
      still_active.push_back(tailed);
      if (tailed->next_look > now && !tailed->at_rest) unwatched++;
    } else if (!tailed->at_rest) {
      resting.push_back(tailed);
    }
    if (tailed->condemned)
      condemned.push_back(tailed);
    else if (looked && tailed->at_rest && (!tailed->dirty || tailed->is_out_of_reach()) &&
             now - tailed->changed_at >= options_.finish_after)
      silent.push_back(tailed);
  }
  active_.swap(still_active);
  unwatched_.set(unwatched);
  for (TailedFile* tailed : silent) finish_if_possible(*tailed, now);
  for (TailedFile* tailed : condemned) give_up(*tailed);
  for (TailedFile* tailed : resting) sleep(*tailed);
}

bool FileShard::look(TailedFile& tailed, nanoseconds now) {
  auto status = tailed.file.handle->status();
  if (!status) return false;
  if (tailed.file.handle->is_gzip()) {
    look_at_gzip(tailed, *status, now);
  } else {
    const bool smaller = status->size_bytes < std::max(tailed.cursor.seen, tailed.size_bytes);
    const bool open = tailed.file.handle->is_open();  // what is closed is asked when it is read
    if (smaller || (open && status->size_bytes != tailed.size_bytes && !is_same_file(tailed))) start_over(tailed);
    if (status->size_bytes != tailed.size_bytes) {
      tailed.size_bytes = status->size_bytes;
      tailed.changed_at = now;
      activate(tailed, now);
    }
    if (tailed.has_more()) make_dirty(tailed);
  }
  if (status->links == 0 || tailed.gone) note_deleted(tailed, status->links, now);
  count_lag(tailed);
  return true;
}

// --- reading

void FileShard::make_dirty(TailedFile& tailed) {
  if (tailed.dirty) return;
  tailed.dirty = true;
  tailed.unread_since = clock_.wall();
  dirty_.push_back(&tailed);
}

bool FileShard::read_dirty(nanoseconds now) {
  std::sort(dirty_.begin(), dirty_.end(),
            [](const TailedFile* a, const TailedFile* b) { return a->file.birth_order < b->file.birth_order; });
  bool more = false;
  for (size_t i = 0; i < dirty_.size(); ++i) {  // elders_drained() may append
    TailedFile& tailed = *dirty_[i];
    if (!elders_drained(tailed, now) || !may_inflate(tailed) || !open_again(tailed, now)) continue;
    tailed.waits = !read_some(tailed);
    if (tailed.has_more() && !tailed.failed && !tailed.waits) more = true;
    count_lag(tailed);
  }
  std::erase_if(dirty_, [](TailedFile* tailed) {
    tailed->dirty = tailed->has_more() && !tailed->failed;
    return !tailed->dirty;
  });
  return more;
}

// May `tailed` be read, or is there something left in an elder of its lineage?
bool FileShard::elders_drained(const TailedFile& tailed, nanoseconds now) {
  const auto& lineage = lineages_[tailed.file.lineage.value];
  if (lineage.size() == 1) return true;
  const std::vector<TailedFile*> elders(lineage.begin(), std::find(lineage.begin(), lineage.end(), &tailed));
  for (TailedFile* elder : elders) {
    // Not begun yet: the last chance to see all. A closed elder may have a new name, which we are about to be told.
    bool seen = tailed.cursor.seen != tailed.file.position || look(*elder, now);
    if (!seen && !elder->gone && now - tailed.changed_at < options_.finish_after) return false;
    if (elder->dirty && elder->has_more() && !elder->failed) return false;
  }
  return lineage[elders.size()] == &tailed;  // otherwise a look has added an elder
}

// Does a stage want the file read no further for a while?
bool FileShard::is_slowed(const TailedFile& tailed) const {
  return tailed.stage_state && tailed.stage_state->resume_at() > clock_.wall();
}

// False: a port is full, or a stage limits the rate.
bool FileShard::read_some(TailedFile& tailed) {
  for (int i = 0; i < kBlocksPerTurn; ++i) {
    if (source_waits(tailed.file.source) || is_slowed(tailed)) return false;
    if (!tailed.begun) take_over_lines(tailed);
    if (!read_block(tailed, Tail::kKeep)) break;
  }
  return true;
}

// False: the end of the file, or a fault.
bool FileShard::read_block(TailedFile& tailed, Tail tail) {
  SourceMetrics& metrics = *metrics_[tailed.file.source];
  if (labels_.size() > most_label_sets_) labels_.clear();
  batch_.clear();
  pipeline::UnixNanos first = next_read_time(tailed);
  const Cursor before = tailed.cursor;
  auto outcome = block_.read(*tailed.file.handle, tailed.cursor, source_of(tailed).max_line_bytes, tail,
                             labels_of(tailed), first, batch_);
  tailed.failed = !outcome;
  tailed.unread_since = clock_.wall();
  if (!outcome) {
    metrics.read_errors.add();
    if (auto held = read_errors_.allow()) {
      pipeline::log_error("read of a tailed file failed",
                          {{"path", tailed.file.path}, {"error", outcome.error()}, {"held_back", *held}});
    }
    note_due(tailed);
    return false;
  }
  if ((outcome->lines > 0 || outcome->bytes > 0) && !is_same_file(tailed)) {
    tailed.cursor = before;  // truncated a moment ago: what was read is not what we take it for
    batch_.clear();
    return start_over(tailed), false;
  }
  tailed.size_bytes = std::max(tailed.size_bytes, tailed.cursor.seen);
  if (outcome->at_end && tailed.file.handle->is_gzip()) gzip_read(tailed);
  if (outcome->lines > 0) {
    tailed.last_read_time = first + static_cast<int64_t>(outcome->lines) - 1;
    last_read_time_ = std::max(last_read_time_, tailed.last_read_time);
  }
  metrics.read_bytes.add(outcome->bytes);
  metrics.read_lines.add(outcome->lines);
  tailed.path_metrics->read_bytes.add(outcome->bytes);
  tailed.path_metrics->read_lines.add(outcome->lines);
  metrics.cut_lines.add(outcome->cut_lines);
  metrics.cut_bytes.add(outcome->cut_bytes);
  if (outcome->cut_bytes > 0)
    ledger_.dropped(source_of(tailed), tailed.file.id, "read:max_line_size", outcome->cut_bytes,
                    tailed.cursor.position);
  if (outcome->lines > 0 || outcome->bytes > 0) {
    if (tailed.kept_end > 0) [[unlikely]]
      read_kept(tailed);
    if (tailed.stage_state && !batch_.empty()) {
      bool holding = tailed.stage_state->open_from().has_value();
      uint64_t before = bytes_of(batch_);
      source_of(tailed).stages->process(batch_, *tailed.stage_state, drops_);
      note_drops(tailed, before, holding);
      metrics.add(drops_);
    }
    hand_on(tailed);
  }
  note_due(tailed);
  if (outcome->cut_lines > 0) block_.shrink();
  return !outcome->at_end;
}

void FileShard::hand_on(TailedFile& tailed) { hand_on(tailed, tailed.cursor.position); }

void FileShard::hand_on(TailedFile& tailed, uint64_t position) {
  const FilePosition passed{tailed.file.id, settled(tailed, position), last_read_time_};
  for (size_t sink : source_of(tailed).sinks) hand_on_to(sink, tailed, batch_, passed);
  if (!tailed.elders.empty()) [[unlikely]]
    release_elders(tailed);
}

// --- what stages hold for a time

// Of the first line read now. Where the stages wait for more, time does not go on while lines lie unread; it comes
// nearer to the clock in steps that no stage takes for a pause.
pipeline::UnixNanos FileShard::next_read_time(TailedFile& tailed) const {
  const pipeline::UnixNanos now = clock_.wall();
  if (tailed.stage_state && tailed.stage_state->expects_more()) {
    int64_t pause = tailed.dirty ? std::max<int64_t>(now - tailed.unread_since, 0) : 0;
    tailed.behind = std::max<int64_t>(tailed.behind + pause - kCatchUp, 0);
  } else {
    tailed.behind = 0;
  }
  if (tailed.behind > 0) return std::max(now - tailed.behind, tailed.last_read_time + 1);
  return std::max(now, last_read_time_ + 1);
}

// A file with lines unread is not asked: the next of them may go on with what is held. Its next read is.
void FileShard::note_due(TailedFile& tailed) {
  count_held(tailed);
  auto due = tailed.stage_state ? tailed.stage_state->due() : std::nullopt;
  if (!due) return;
  *due += tailed.behind;
  next_due_ = holding_.empty() ? *due : std::min(next_due_, *due);
  if (!std::exchange(tailed.holding, true)) holding_.push_back(&tailed);
}

void FileShard::expire_held() {
  pipeline::UnixNanos now = clock_.wall();
  if (holding_.empty() || now < next_due_) return;
  last_read_time_ = std::max(last_read_time_, now);  // what is read from now on came too late
  for (TailedFile* tailed : std::exchange(holding_, {})) {
    tailed->holding = false;
    if (tailed->has_more() && !tailed->failed) continue;
    auto due = tailed->stage_state->due();
    const pipeline::UnixNanos then = now - tailed->behind;
    tailed->last_read_time = std::max(tailed->last_read_time, then);
    if (due && *due <= then) {
      batch_.clear();
      source_of(*tailed).stages->expire(batch_, *tailed->stage_state, then, drops_);
      note_drops(*tailed, 0, true);
      metrics_[tailed->file.source]->add(drops_);
      hand_on(*tailed);
    }
    note_due(*tailed);
  }
}

// Does the file begin as it did? If not, it was truncated and has grown again since our last look. The fingerprint
// grows with the file: it must cover what was read, or a file at a reused inode that begins alike would be taken for
// this one.
bool FileShard::is_same_file(TailedFile& tailed) {
  FileIdentity& identity = tailed.file.identity;
  if (tailed.file.handle->is_gzip()) return true;
  auto head = tailed.file.handle->head();
  if (!head) return true;  // the read will say so
  if (!identity.matches(identity.key, *head)) return false;
  if (head->size() <= identity.fingerprint_bytes) return true;
  identity = FileIdentity::of(identity.key, *head);
  ledger_.update(tailed.file.id, identity);
  return true;
}

void FileShard::count_lag(TailedFile& tailed) {
  uint64_t lag = tailed.size_bytes - std::min(tailed.size_bytes, std::max(tailed.cursor.position, tailed.cursor.seen));
  if (!tailed.at_rest) tailed.path_metrics->set_size(tailed.counted_bytes, tailed.size_bytes);
  if (lag == tailed.lag_bytes) return;
  metrics_[tailed.file.source]->lag_bytes.add(static_cast<int64_t>(lag) - static_cast<int64_t>(tailed.lag_bytes));
  tailed.lag_bytes = lag;
}

// Shared with the elder of the same path, if there is one.
std::shared_ptr<PathMetrics> FileShard::path_metrics(const TailedFile& tailed) const {
  for (const TailedFile* other : lineages_.at(tailed.file.lineage.value)) {
    if (other != &tailed && other->file.path == tailed.file.path) return other->path_metrics;
  }
  return metrics_[tailed.file.source]->of_path(tailed.file.path);
}

pipeline::LabelTable::Id FileShard::labels_of(TailedFile& tailed) {
  if (tailed.label_generation == labels_.generation()) return tailed.label_id;
  if (tailed.file.labels.empty() && tailed.file.plain_labels && options_.labels_of)
    tailed.file.labels = options_.labels_of(source_of(tailed), tailed.file.path.str());
  tailed.label_id = labels_.intern(tailed.file.labels);
  tailed.label_generation = labels_.generation();
  return tailed.label_id;
}

void FileShard::let_labels_go(TailedFile& tailed) const {
  if (!tailed.file.plain_labels || !options_.labels_of) return;
  tailed.file.labels = {};
  tailed.label_generation = ~uint64_t{0};
}

std::vector<FileReader::Progress> FileShard::progress() const {
  std::vector<FileReader::Progress> all;
  all.reserve(files_.size() + sleeping_.size());
  sleeping_.for_each([&](FileId id, const SleepingFiles::Sleeper& sleeper) {
    all.push_back({.id = id,
                   .key = sleeper.key(),
                   .path = sleeper.path,
                   .size_bytes = sleeper.position,
                   .read_bytes = sleeper.position});
  });
  for (const auto& [id, tailed] : files_) {
    all.push_back({.id = id,
                   .key = tailed->file.identity.key,
                   .path = tailed->file.path,
                   .size_bytes = tailed->size_bytes,
                   .read_bytes = tailed->cursor.position,
                   .paused = tailed->waits});
  }
  return all;
}

}  // namespace agent
