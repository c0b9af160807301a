// FileShard, the part that a change of the configuration concerns: see file_reader.h.
#include <algorithm>

#include "agent/source/file_shard.h"
#include "pipeline/stage/held_entry.h"

namespace agent {

using pipeline::ByteRange;

namespace {
// The raw lines that entries are made of, in file order, each once.
std::vector<ByteRange> lines_of(const pipeline::Batch& batch) {
  std::vector<ByteRange> lines = batch.origins;
  std::sort(lines.begin(), lines.end(),
            [](const ByteRange& a, const ByteRange& b) { return pipeline::stands_before(a.begin, b.begin); });
  auto same = [](const ByteRange& a, const ByteRange& b) { return a.begin == b.begin; };
  lines.erase(std::unique(lines.begin(), lines.end(), same), lines.end());
  return lines;
}
}  // namespace

void FileShard::change(ReaderChange change) {
  std::vector<size_t> closing;
  for (size_t source : change.restaged)
    closing.insert(closing.end(), sources_[source]->sinks.begin(), sources_[source]->sinks.end());
  for (const ReaderChange::Port& port : change.ports) closing.push_back(port.index);
  close_ports(closing);
  for (ReaderChange::Port& port : change.ports) {
    if (port.index >= ports_.size()) ports_.resize(port.index + 1);
    if (!port.port) {
      std::erase_if(rebuild_jobs_, [&](const RebuildJob& job) { return job.port == port.index; });
      if (port.index < lags_.size()) lags_[port.index] = std::make_unique<Lag>(memory_);
    }
    ports_[port.index] = std::move(port.port);
  }
  wake_restaged(change.restaged);
  std::vector<std::shared_ptr<const SourceOptions>> before = std::exchange(sources_, std::move(change.sources));
  for (size_t i = metrics_.size(); i < sources_.size(); ++i)
    metrics_.push_back(std::make_unique<SourceMetrics>(registry_, sources_[i]->name));
  for (auto& [id, tailed] : files_) {
    note_kept(*tailed);
    size_t source = tailed->file.source;
    if (std::find(change.restaged.begin(), change.restaged.end(), source) != change.restaged.end())
      restage(*tailed, before[source]->stages.get());
  }
  if (change.rebuilds.empty()) return;
  rebuild_jobs_.insert(rebuild_jobs_.end(), change.rebuilds.begin(), change.rebuilds.end());
  if (!rebuilder_)
    rebuilder_ = std::make_unique<Rebuilder>(sources_, metrics_, lost_bytes_, change.found, block_, labels_);
  else
    rebuilder_->add_files(*change.found);
}

// Those asleep with a state of the stages.
void FileShard::wake_restaged(const std::vector<size_t>& sources) {
  std::vector<FileId> stale;
  sleeping_.for_each([&](FileId id, const SleepingFiles::Sleeper& sleeper) {
    if (sleeper.stage_state() && std::find(sources.begin(), sources.end(), size_t{sleeper.source}) != sources.end())
      stale.push_back(id);
  });
  for (FileId id : stale) wake(id, clock_.monotonic());
}

void FileShard::close_ports(const std::vector<size_t>& ports) {
  for (size_t port : ports)
    if (port < ports_.size() && ports_[port]) ports_[port]->close_all();
}

// What the old stages hold are raw lines again for the new ones: read from the file, under their old read times.
void FileShard::restage(TailedFile& tailed, const pipeline::StageList* old_stages) {
  pipeline::Batch held(labels_);
  if (old_stages) flush_kept(tailed, *old_stages, tailed.cursor.position);
  if (old_stages && tailed.stage_state) old_stages->take_held(held, *tailed.stage_state);
  const auto& stages = source_of(tailed).stages;
  tailed.stage_state = stages ? stages->make_state() : nullptr;
  count_held(tailed);
  if (std::exchange(tailed.holding, false)) std::erase(holding_, &tailed);
  std::vector<ByteRange> lines = lines_of(held);
  if (lines.empty()) return;
  auto status = tailed.file.handle->status();
  if (status && !pipeline::stands_before(status->size_bytes, lines.back().end)) return read_again(tailed, lines);
  std::swap(batch_, held);  // the file was truncated a moment ago: the entries go on as they are
  hand_on(tailed);
  batch_.clear();
}

void FileShard::read_again(TailedFile& tailed, const std::vector<ByteRange>& lines) {
  const SourceOptions& source = source_of(tailed);
  for (size_t i = 0; i < lines.size(); ++i) {
    tailed.restaging = i + 1 < lines.size();
    batch_.clear();
    const FileBytes bytes = locate(&tailed.elders, tailed.file.id, lines[i]);
    Cursor cursor;
    cursor.position = cursor.seen = bytes.range.begin;
    auto read = block_.read_until(bytes.range.end, bytes.elder ? *bytes.elder->handle : *tailed.file.handle, cursor,
                                  source.max_line_bytes, labels_of(tailed), lines[i].read_time, batch_);
    if (bytes.elder) pipeline::move_back(batch_.origins, 0 - bytes.elder->begin);
    if (!read) {
      metrics_[tailed.file.source]->lost_bytes.add(lines[i].end - lines[i].begin);
      pipeline::log_error("read of a tailed file failed", {{"path", tailed.file.path}, {"error", read.error()}});
      continue;
    }
    if (tailed.stage_state) {
      source.stages->process(batch_, *tailed.stage_state, drops_);
      metrics_[tailed.file.source]->add(drops_);
      note_due(tailed);
    }
    uint64_t until = i + 1 < lines.size() ? lines[i + 1].begin : tailed.cursor.position;
    if (is_in_elder(until)) until = tailed.joined_from;
    hand_on(tailed, until);
  }
}

TailedFile* FileShard::find(InodeKey key, size_t source) {
  wake_at(key, clock_.monotonic());
  for (auto [it, last] = by_inode_.equal_range(key); it != last; ++it)
    if (it->second->file.source == source) return it->second;
  return nullptr;
}

void FileShard::withdraw(InodeKey key, size_t source) {
  TailedFile* tailed = find(key, source);
  if (!tailed) return;
  flush_stages(*tailed);
  close_ports(source_of(*tailed).sinks);
  ledger_.release(tailed->file.id, tailed->cursor.position, tailed->cursor.cut_line_at);
  drop(*tailed);
}

void FileShard::relabel(InodeKey key, size_t source, pipeline::LabelSet labels) {
  TailedFile* tailed = find(key, source);
  if (!tailed) return;
  tailed->file.labels = std::move(labels);
  tailed->label_generation = ~uint64_t{0};
}

FoundFiles FileShard::found() const {
  FoundFiles found;
  for (const auto& [id, tailed] : files_) found[id] = {tailed->file.handle, tailed->file.source};
  sleeping_.for_each([&](FileId id, const SleepingFiles::Sleeper& sleeper) {
    found[id] = {sleeper.handle, sleeper.source};
  });
  return found;
}

}  // namespace agent
