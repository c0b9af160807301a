// FileShard, the part about sinks that do not keep up with the others of their source.
//
// A full sink holds the others up for a moment (Patience). Then reading goes on without it: what it would have got is
// noted (OwedLines) and read again for it when it has room. Until all of that is handed on, nobody waits for it. Its
// positions stay behind what it is owed, so after a crash it is read again all the same.
#include <algorithm>

#include "agent/source/file_shard.h"
#include "pipeline/stage/held_entry.h"

namespace agent {

using pipeline::LabelSet;

namespace {
constexpr int kPiecesPerTurn = 4;  // of each sink
}

FileShard::Lag& FileShard::lag_of(size_t sink) {
  while (lags_.size() <= sink) lags_.push_back(std::make_unique<Lag>(memory_));
  return *lags_[sink];
}

bool FileShard::source_waits(size_t source) {
  if (memory_.exceeded()) return true;
  const std::vector<size_t>& sinks = sources_[source]->sinks;
  const auto full = static_cast<size_t>(
      std::count_if(sinks.begin(), sinks.end(), [this](size_t sink) { return ports_[sink]->full(); }));
  if (full == 0) return false;
  if (full == sinks.size()) return true;
  const nanoseconds now = clock_.monotonic();
  bool waits = false;
  for (size_t sink : sinks) {
    Lag& lag = lag_of(sink);
    if (ports_[sink]->full() && lag.owed.empty() && !lag.patience.is_spent(now))
      waits = true;
    else if (!ports_[sink]->full())
      lag.patience.rest(now);
  }
  return waits;
}

void FileShard::hand_on_to(size_t sink, const TailedFile& tailed, const pipeline::Batch& batch,
                           const FilePosition& passed) {
  SinkPort& port = *ports_[sink];
  Lag& lag = lag_of(sink);
  const ElderFiles* elders = tailed.elders.empty() ? nullptr : &tailed.elders;
  const bool behind = !batch.empty() && port.full() && source_of(tailed).sinks.size() > 1;
  if (!behind && !lag.owed.owes(tailed.file.id)) return port.append(batch, lag.owed.held_back(passed), elders);
  const uint64_t before = lag.owed.bytes();
  auto kept_of = [&port](FileId file) { return port.kept(file); };
  lag.owed.note(tailed.file, batch, kept_of, passed, elders);
  metrics_[tailed.file.source]->owed_bytes.add(static_cast<int64_t>(lag.owed.bytes() - before));
}

bool FileShard::pay_some() {
  bool more = false;
  for (size_t sink = 0; sink < lags_.size(); ++sink) {
    OwedLines& owed = lags_[sink]->owed;
    if (owed.empty() || !ports_[sink]) continue;
    bool payable = true;
    for (int i = 0; i < kPiecesPerTurn && payable && !owed.empty() && !ports_[sink]->full(); ++i) {
      payable = choose_payable(owed);
      if (payable) pay(owed.take(), sink);
    }
    if (owed.empty()) lags_[sink]->patience.rest(clock_.monotonic());
    if (!owed.empty() && !ports_[sink]->full() && payable) more = true;
  }
  return more;
}

// A closed file that was renamed a moment ago cannot be read until we are told its new name: another one's turn first.
bool FileShard::choose_payable(OwedLines& owed) {
  for (size_t left = owed.files(); left > 0; --left) {
    const auto& handle = *owed.next_handle();
    if (handle.is_open() || handle.status()) return true;
    auto tailed = files_.find(owed.next_file());
    if (tailed == files_.end() || tailed->second->gone) return true;  // it is lost
    owed.put_off();
  }
  return false;
}

// The piece, read again through stages of its own.
void FileShard::pay(const OwedLines::Piece& piece, size_t sink) {
  SinkPort& port = *ports_[sink];
  metrics_[piece.source]->owed_bytes.add(-static_cast<int64_t>(piece.bytes));
  const bool was_open = piece.handle->is_open();
  const auto& stages = sources_[piece.source]->stages;
  auto state = stages ? stages->make_state(pipeline::StageUse::kRebuild) : nullptr;
  pipeline::DropCounts uncounted;  // they were counted when the lines were read first
  pipeline::Batch again(labels_);
  const FilePosition not_yet{piece.file, 0, piece.passed.last_read_time};
  const ElderFiles* elders = piece.elders.empty() ? nullptr : &piece.elders;
  uint64_t lost = 0;
  for (const RecordSegment& segment : piece.segments) {
    auto elder = std::find_if(piece.elders.begin(), piece.elders.end(),
                              [&](const ElderFile& file) { return file.file == segment.file; });
    const bool in_elder = elder != piece.elders.end();
    const FileHandle& handle = in_elder ? *elder->handle : *piece.handle;
    const auto labels = labels_.intern(LabelSet::parse(*segment.labels).value_or(LabelSet()));
    for (const LineRange& range : segment.ranges) {
      Cursor cursor;
      cursor.position = range.begin;
      pipeline::UnixNanos time = range.first_read_time;
      for (bool at_end = false; cursor.position < range.end && !at_end;) {
        again.clear();
        auto read =
            block_.read_until(range.end, handle, cursor, sources_[piece.source]->max_line_bytes, labels, time, again);
        if (!read) break;
        if (in_elder) pipeline::move_back(again.origins, 0 - elder->begin);
        at_end = read->at_end;
        time += static_cast<int64_t>(read->lines);
        if (stages && !again.empty()) stages->process(again, *state, uncounted);
        if (!again.empty()) port.append(again, not_yet, elders);
      }
      lost += range.end - std::min(range.end, cursor.position);
    }
  }
  again.clear();
  if (stages) stages->flush(again, *state, uncounted);
  count_lost(sink, piece.source, piece.file, lost, piece.passed.position);
  port.append(again, lag_of(sink).owed.held_back(piece.passed), elders);
  for (const FilePosition& passed : piece.elders_passed) pass_file(sink, passed);
  if (!was_open) (void)piece.handle->park();
}

// Everything of the file up to there is handed on, or owed and so passed later.
void FileShard::pass_file(size_t sink, const FilePosition& passed) {
  OwedLines& owed = lag_of(sink).owed;
  if (owed.owes(passed.file)) return owed.raise(passed);
  ports_[sink]->append(pipeline::Batch(labels_), owed.held_back(passed));
}

// What the sink that is furthest behind has yet to get of it, to be read again.
uint64_t FileShard::owed_bytes(const TailedFile& tailed) const {
  uint64_t most = 0;
  for (size_t sink : source_of(tailed).sinks)
    if (sink < lags_.size()) most = std::max(most, lags_[sink]->owed.bytes_of(tailed.file.id));
  return most;
}

// The file has other bytes now, or is released.
void FileShard::forget_owed(const TailedFile& tailed) {
  for (size_t sink : source_of(tailed).sinks) {
    OwedLines& owed = lag_of(sink).owed;
    if (!owed.owes(tailed.file.id)) continue;
    const auto [lost, elders_passed] = owed.forget(tailed.file.id);
    metrics_[tailed.file.source]->owed_bytes.add(-static_cast<int64_t>(lost));
    count_lost(sink, tailed.file.source, tailed.file.id, lost, tailed.cursor.position);
    pass_file(sink, {tailed.file.id, tailed.cursor.position, last_read_time_});
    for (const FilePosition& passed : elders_passed) pass_file(sink, passed);
  }
}

void FileShard::count_lost(size_t sink, size_t source, FileId file, uint64_t bytes, uint64_t end) {
  if (bytes == 0) return;
  ledger_.dropped_by(sink, file, "read:owed_lines", bytes, end);
  metrics_[source]->lost_bytes.add(bytes);
  if (auto held = read_errors_.allow()) {
    pipeline::log_error(
        "bytes that a full sink had to wait for cannot be read again",
        {{"source", sources_[source]->name}, {"file_id", file.value}, {"lost_bytes", bytes}, {"held_back", *held}});
  }
}

}  // namespace agent
