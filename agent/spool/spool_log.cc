#include "agent/spool/spool_log.h"

#include <algorithm>
#include <random>

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::File;
using pipeline::log_error;
using pipeline::log_warn;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr std::string_view kMarksSuffix = ".done";
constexpr size_t kSmallBody = 64 << 10;     // below: copied together, so that a group of small batches is one write
constexpr size_t kBufferBytes = 256 << 10;  // the write buffer is emptied when it has grown to this
constexpr std::string_view kCorrupt = "spool:corrupt", kTooOld = "spool:spool_max_age", kNoRoom = "spool:spool_full";
constexpr uint64_t kWholeSegment = UINT64_MAX;  // as the offset of a loss

// Of a frame, in the index and among the marks.
uint64_t overhead_bytes(const SpoolEntry& entry) {
  return kSpoolIndexEntryBytes + entry.origins.size() + kSpoolMarkBytes;
}

LostFrame lost_frame(uint64_t salt, const SpoolEntry& entry, std::string_view why) {
  SpoolVolume volume;
  volume.add(entry);
  return {salt, entry.offset, entry.number, {{std::string(why), "", volume, entry.origins}}};
}

uint64_t random_salt() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

// Half a mark, of a crash or a full disk, would have those behind it read askew.
Result<void> cut_marks(File& marks) {
  TRY_LET(uint64_t size, marks.size());
  return size % kSpoolMarkBytes == 0 ? Result<void>() : marks.truncate(size - size % kSpoolMarkBytes);
}

}  // namespace

SpoolLog::~SpoolLog() { close(); }

// --- open

Result<std::unique_ptr<SpoolLog>> SpoolLog::open(pipeline::FileSystem& files, SpoolLogOptions options,
                                                 const OnFound& on_found, const OnLost& on_lost) {
  TRY(files.make_folders(options.folder));
  std::unique_ptr<SpoolLog> log(new SpoolLog(files, std::move(options)));
  TRY_LET(log->losses_, SpoolLosses::open(files, log->options_.folder, on_lost));
  TRY_LET(auto names, files.list(log->options_.folder));
  for (const std::string& name : names)
    if (auto parsed = SpoolName::parse(name)) TRY(log->adopt(*parsed, on_found));
  log->remove_orphans(names);
  std::set<uint64_t> salts;
  for (const auto& [number, segment] : log->segments_) salts.insert(segment.name.salt);
  log->losses_->keep_only(salts);
  return log;
}

Result<void> SpoolLog::adopt(const SpoolName& name, const OnFound& on_found) {
  next_segment_ = std::max(next_segment_, name.number + 1);
  if (segments_.contains(name.number)) {
    log_error("spool: two segments have one number; left out", {{"segment", path(name)}});
    return {};
  }
  TRY_LET(auto file, files_.open_to_read(path(name)));
  TRY_LET(auto index, read_spool_index(*file, name.salt));
  TRY_LET(auto marks, read_spool_marks(files_, marks_path(name), name.salt));
  Segment segment;
  segment.name = name;
  for (const SpoolEntry& entry : index.entries) {
    if (marks.contains(entry.offset) || losses_->has(name.salt, entry.offset)) continue;
    bool first = segment.left.frames == 0;
    segment.left.add(entry);
    segment.oldest = first ? entry.closed : std::min(segment.oldest, entry.closed);
    segment.newest = first ? entry.closed : std::max(segment.newest, entry.closed);
    segment.parts.add(entry.origins);
    if (on_found) on_found(entry);
  }
  if (index.damaged_places > 0)
    log_warn("spool: damaged frames skipped",
             {{"segment", path(name)}, {"places", index.damaged_places}, {"bytes", index.damaged_bytes}});
  dropped_.corrupt.frames += index.damaged_places;
  uint64_t number = name.number;
  segment.end = index.good_end;
  segment.waiting = segment.left;
  segment.bytes = index.size;
  if (!index.sealed && segment.left.frames > 0) { TRY_LET(segment.bytes, seal_left_over(name, index)); }
  segment.bytes += marks.size() * kSpoolMarkBytes;
  waiting_.add(segment.left);
  bytes_ += segment.bytes;
  segments_.insert_or_assign(number, std::move(segment));
  remove_if_done(number);
  return {};
}

// Of the process before, which did not come to it: the tail that was never called spooled is cut off, and what is left
// is made to survive a power cut. Returns the size of the file then.
Result<uint64_t> SpoolLog::seal_left_over(const SpoolName& name, const SpoolSegmentIndex& index) {
  TRY_LET(auto file, files_.open(path(name)));
  if (index.good_end < index.size) {
    log_warn("spool: torn tail cut",
             {{"segment", path(name)}, {"offset", index.good_end}, {"bytes", index.size - index.good_end}});
    TRY(file->truncate(index.good_end));
  }
  std::string bytes = spool_index(index.entries, index.good_end, name.salt);
  auto appended = file->append(bytes);
  if (!appended) {  // it is read without an index then
    log_warn("spool: index not written", {{"segment", path(name)}, {"error", appended.error()}});
    TRY(file->truncate(index.good_end));
  }
  TRY(file->sync());
  return index.good_end + (appended ? bytes.size() : 0);
}

void SpoolLog::remove_orphans(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!name.ends_with(kMarksSuffix)) continue;
    auto of = SpoolName::parse(std::string_view(name).substr(0, name.size() - kMarksSuffix.size()));
    if (!of || segments_.contains(of->number)) continue;
    (void)files_.remove(concat(options_.folder, "/", name));  // costs a few bytes where it stays
  }
}

std::set<BatchNumber> SpoolLog::find(const std::set<BatchNumber>& numbers) {
  std::set<BatchNumber> found;
  if (numbers.empty()) return found;
  auto leave_out = [this](Segment& segment, const SpoolEntry& entry) {
    SpoolVolume volume;
    volume.add(entry);
    segment.waiting.subtract(volume), waiting_.subtract(volume);
    losses_->add({{segment.name.salt, entry.offset, entry.number, {}}});
    dropped_.frames.push_back({segment.name.salt, entry.offset, entry.number, {{"", "", {}, entry.origins}}});
    settle(segment, entry);
  };
  if (auto lost = read_spool_losses(files_, concat(options_.folder, "/", kSpoolLossesName)))
    for (const LostFrame& frame : *lost)
      if (!frame.losses.empty() && numbers.contains(frame.number)) found.insert(frame.number);
  for (auto& [number, segment] : segments_) {
    auto file = files_.open_to_read(path(segment.name));
    if (!file) continue;
    auto index = read_spool_index(**file, segment.name.salt);
    auto marks = read_spool_marks(files_, marks_path(segment.name), segment.name.salt);
    if (!index || !marks) continue;
    for (const SpoolEntry& entry : index->entries) {
      if (!numbers.contains(entry.number) || found.contains(entry.number)) continue;
      if (marks->contains(entry.offset) || read_spool_frame(**file, entry, segment.name.salt))
        found.insert(entry.number);
      else if (!losses_->has(segment.name.salt, entry.offset))
        leave_out(segment, entry);  // its batch is built again
    }
  }
  return found;
}

// --- append

uint64_t SpoolLog::bytes_of(std::span<const SpoolFrame> group) {
  uint64_t bytes = 0;
  for (const SpoolFrame& frame : group) {
    const SpoolEntry entry = spool_entry(frame, 0);
    bytes += entry.bytes + overhead_bytes(entry);
  }
  return bytes;
}

Result<std::vector<SpoolFrameId>> SpoolLog::append(std::span<const SpoolFrame> group, const std::vector<bool>& takes) {
  if (!file_) TRY(start_segment());
  auto entries = write_group(group);
  if (!entries) {
    undo_group(entries.error());
    return fail(std::move(entries).error());
  }
  if (auto synced = file_->sync(); !synced) {
    if (auto held = append_log_.allow())
      log_error("spool: sync failed, going on in a new segment",
                {{"segment", path(segments_[writing_].name)}, {"error", synced.error()}, {"held_back", *held}});
    give_up_file();
    return fail(std::move(synced).error());
  }
  Segment& segment = segments_[writing_];
  std::vector<SpoolFrameId> ids;
  for (size_t i = 0; i < entries->size(); i++) {
    const SpoolEntry& entry = (*entries)[i];
    SpoolFrameId id = ids.emplace_back(SpoolFrameId{writing_, entry.offset});
    segment.oldest = segment.left.frames == 0 ? entry.closed : std::min(segment.oldest, entry.closed);
    segment.newest = segment.left.frames == 0 ? entry.closed : std::max(segment.newest, entry.closed);
    segment.left.add(entry);
    segment.parts.add(entry.origins);
    if (takes[i])
      taken_.emplace(id, entry);
    else
      segment.waiting.add(entry), waiting_.add(entry);
    written_.push_back(entry);
    segment.end = size_ = entry.offset + entry.bytes;
    segment.bytes += entry.bytes + overhead_bytes(entry), bytes_ += entry.bytes + overhead_bytes(entry);
  }
  if (size_ >= options_.segment_bytes || written_.size() >= options_.segment_frames) seal();
  return ids;
}

Result<void> SpoolLog::start_segment() {
  Segment segment;
  segment.name = {next_segment_, random_salt()};
  std::string where = path(segment.name);
  auto started = [&]() -> Result<void> {
    TRY_LET(file_, files_.create(where));
    TRY(file_->append(kSpoolMagic));
    return files_.sync_folder(options_.folder);
  }();
  if (!started) {
    if (std::exchange(file_, nullptr)) (void)files_.remove(where);  // an empty segment is deleted by the next open()
    return started;
  }
  writing_ = next_segment_++;
  written_.clear();
  segment.end = segment.bytes = size_ = kSpoolMagic.size();
  bytes_ += size_;
  segments_.insert_or_assign(writing_, std::move(segment));
  return {};
}

Result<std::vector<SpoolEntry>> SpoolLog::write_group(std::span<const SpoolFrame> group) {
  std::vector<SpoolEntry> entries;
  uint64_t at = size_, salt = segments_[writing_].name.salt;
  auto empty_buffer = [&]() -> Result<void> {
    auto written = file_->append(buffer_);
    buffer_.clear();
    return written;
  };
  buffer_.clear();
  for (const SpoolFrame& frame : group) {
    entries.push_back(spool_entry(frame, at));
    at += entries.back().bytes;
    append_spool_header(buffer_, frame, salt);
    if (frame.body->size() < kSmallBody) {
      buffer_ += *frame.body;
    } else {
      TRY(empty_buffer());
      TRY(file_->append(*frame.body));
    }
    if (buffer_.size() >= kBufferBytes) TRY(empty_buffer());
  }
  if (!buffer_.empty()) TRY(empty_buffer());
  return entries;
}

// The frames of a failed group must not be found by a later open() more than needed: cut them off. Where not even that
// works, the segment's end is unknown: no more writing there.
void SpoolLog::undo_group(const Error& why) {
  auto truncated = file_->truncate(size_);
  if (auto held = append_log_.allow())
    log_error("spool: append failed", {{"segment", path(segments_[writing_].name)},
                                       {"error", why},
                                       {"truncated", truncated ? "yes" : truncated.error().message},
                                       {"held_back", *held}});
  if (!truncated) give_up_file();
}

void SpoolLog::seal() {
  std::string index = spool_index(written_, size_, segments_[writing_].name.salt);
  // Without its index the segment is read by its headers: neither a failure nor a sync is worth anything here.
  if (auto appended = file_->append(index); !appended) (void)file_->truncate(size_);
  give_up_file();
}

void SpoolLog::give_up_file() {
  if (reading_.number == writing_) {
    reading_.entries = std::move(written_);
    reading_.file = std::move(file_);
  }
  written_ = {};
  file_.reset();
  uint64_t number = std::exchange(writing_, 0);
  remove_if_done(number);
}

void SpoolLog::trim() {
  if (file_ && segments_[writing_].left.frames == 0) give_up_file();
}

void SpoolLog::close() {
  if (!file_) return;
  if (segments_[writing_].left.frames == 0) return trim();
  seal();
}

// --- take

std::vector<SpoolLog::Taken> SpoolLog::take(uint64_t bytes, UnixNanos oldest) {
  std::vector<Taken> out;
  while ((out.empty() || bytes > 0) && start_reading()) {
    uint64_t number = reading_.number;
    take_from(segments_[number], out, bytes, oldest);
    remove_if_done(number);
  }
  return out;
}

bool SpoolLog::start_reading() {
  for (;;) {
    Segment* segment = first_waiting();
    if (!segment) return false;
    if (reading_.number == segment->name.number) return true;
    auto loaded = load(*segment);
    if (loaded) return true;
    log_warn("spool: segment cannot be read, given up",
             {{"segment", path(segment->name)}, {"frames", segment->waiting.frames}, {"error", loaded.error()}});
    drop_waiting(*segment, dropped_.corrupt);  // the file stays as it is, for `spool repair`
  }
}

SpoolLog::Segment* SpoolLog::first_waiting() {
  for (auto& [number, segment] : segments_)
    if (segment.waiting.frames > 0) return &segment;
  return nullptr;
}

Result<void> SpoolLog::load(Segment& segment) {
  reading_ = {};
  TRY_LET(auto done, read_spool_marks(files_, marks_path(segment.name), segment.name.salt));
  done.insert(segment.unwritten.begin(), segment.unwritten.end());
  Reading reading;
  reading.number = segment.name.number;
  reading.done = std::move(done);
  if (!is_written(reading.number)) {
    TRY_LET(reading.file, files_.open_to_read(path(segment.name)));
    TRY_LET(auto index, read_spool_index(*reading.file, segment.name.salt));
    reading.entries = std::move(index.entries);
    // Behind the good end may be frames of a group that failed, and came again in another segment.
    std::erase_if(reading.entries, [&](const SpoolEntry& e) { return e.offset + e.bytes > segment.end; });
  }
  reading_ = std::move(reading);
  return {};
}

void SpoolLog::take_from(Segment& segment, std::vector<Taken>& out, uint64_t& room, UnixNanos oldest) {
  const bool live = is_written(reading_.number);
  const File& file = live ? *file_ : *reading_.file;
  const std::vector<SpoolEntry>& entries = live ? written_ : reading_.entries;
  while (segment.waiting.frames > 0 && (out.empty() || room > 0)) {
    if (reading_.next >= entries.size()) {  // found at the start, not any more
      log_warn("spool: frames are gone", {{"segment", path(segment.name)}, {"frames", segment.waiting.frames}});
      return lose_waiting(segment, kCorrupt, dropped_.corrupt);
    }
    const SpoolEntry& entry = entries[reading_.next++];
    SpoolFrameId id{reading_.number, entry.offset};
    if (is_done(segment, entry) || taken_.contains(id)) continue;
    if (entry.closed < oldest) {
      skip(segment, entry, kTooOld, dropped_.too_old);
      continue;
    }
    auto frame = read_spool_frame(file, entry, segment.name.salt);
    if (!frame) {
      if (auto held = damage_log_.allow())
        log_warn("spool: damaged frame skipped", {{"segment", path(segment.name)},
                                                  {"error", frame.error()},
                                                  {"entries", entry.entries},
                                                  {"held_back", *held}});
      skip(segment, entry, kCorrupt, dropped_.corrupt);
      continue;
    }
    SpoolVolume volume;
    volume.add(entry);
    segment.waiting.subtract(volume), waiting_.subtract(volume);
    taken_.emplace(id, entry);
    room -= std::min<uint64_t>(room, entry.bytes);
    out.push_back({id, std::move(*frame)});
  }
}

// --- done

void SpoolLog::done(SpoolFrameId id, std::vector<SpoolLoss> losses) {
  auto taken = taken_.find(id);
  auto at = segments_.find(id.segment);
  if (taken == taken_.end() || at == segments_.end()) return;
  SpoolEntry entry = taken->second;
  taken_.erase(taken);
  drained_.add(entry);
  if (losses.empty()) {
    mark(at->second, entry);
  } else {
    losses_->add({{at->second.name.salt, entry.offset, entry.number, std::move(losses)}});
    settle(at->second, entry);
  }
  remove_if_done(id.segment);
}

bool SpoolLog::is_done(const Segment& segment, const SpoolEntry& entry) const {
  return reading_.done.contains(entry.offset) || losses_->has(segment.name.salt, entry.offset);
}

void SpoolLog::skip(Segment& segment, const SpoolEntry& entry, std::string_view why, SpoolVolume& reason) {
  reason.add(entry);
  SpoolVolume volume;
  volume.add(entry);
  segment.waiting.subtract(volume), waiting_.subtract(volume);
  lose({lost_frame(segment.name.salt, entry, why)});
  settle(segment, entry);
}

void SpoolLog::lose(std::vector<LostFrame> lost) {
  losses_->add(lost);
  std::move(lost.begin(), lost.end(), std::back_inserter(dropped_.frames));
}

void SpoolLog::settle(Segment& segment, const SpoolEntry& entry) {
  SpoolVolume volume;
  volume.add(entry);
  segment.left.subtract(volume);
  segment.parts.subtract(entry.origins);
}

void SpoolLog::mark(Segment& segment, const SpoolEntry& entry) {
  settle(segment, entry);
  if (reading_.number == segment.name.number) reading_.done.insert(entry.offset);
  if (segment.left.frames == 0 && !is_written(segment.name.number)) return;  // the segment goes
  std::string bytes;
  append_spool_mark(bytes, entry.offset, segment.name.salt);
  auto written = [&]() -> Result<void> {
    if (!segment.marks) {
      auto opened = files_.create(marks_path(segment.name));
      if (!opened) opened = files_.open(marks_path(segment.name));
      TRY_LET(segment.marks, std::move(opened));
      TRY(cut_marks(*segment.marks));
    }
    return segment.marks->append(bytes);
  }();
  if (written) return;
  segment.unwritten.insert(entry.offset);
  segment.marks.reset();
  if (auto held = marks_log_.allow())
    log_warn("spool: mark not written, the batch is sent again after a restart",
             {{"segment", path(segment.name)}, {"error", written.error()}, {"held_back", *held}});
}

bool SpoolLog::drop_oldest_segment() {
  Segment* segment = first_waiting();
  if (!segment) return false;
  drop_segment(*segment, kNoRoom, dropped_.no_room);
  return true;
}

void SpoolLog::drop_older(UnixNanos oldest) {
  for (Segment* segment; (segment = first_waiting()) != nullptr && segment->newest < oldest;)
    drop_segment(*segment, kTooOld, dropped_.too_old);
}

void SpoolLog::drop_segment(Segment& segment, std::string_view why, SpoolVolume& reason) {
  uint64_t number = segment.name.number;
  if (is_written(number)) seal();
  lose_waiting(segment, why, reason);
  remove_if_done(number);
}

// Each frame by itself; those that are not found any more together.
void SpoolLog::lose_waiting(Segment& segment, std::string_view why, SpoolVolume& reason) {
  const SpoolName name = segment.name;
  std::vector<LostFrame> lost;
  SpoolVolume rest = segment.waiting;
  if (reading_.number == name.number || load(segment)) {
    for (const SpoolEntry& entry : is_written(name.number) ? written_ : reading_.entries) {
      if (rest.frames == 0) break;
      if (is_done(segment, entry) || taken_.contains({name.number, entry.offset})) continue;
      lost.push_back(lost_frame(name.salt, entry, why));
      rest.subtract(lost.back().losses[0].volume);
      segment.parts.subtract(entry.origins);
    }
  }
  if (rest.frames > 0) {
    OriginSums parts = segment.parts;
    for (const auto& [id, entry] : taken_)
      if (id.segment == name.number) parts.subtract(entry.origins);
    std::string origins = parts.encode();
    segment.parts.subtract(origins);
    lost.push_back({name.salt, kWholeSegment, {}, {{std::string(why), "", rest, std::move(origins)}}});
  }
  lose(std::move(lost));
  drop_waiting(segment, reason);
}

void SpoolLog::drop_waiting(Segment& segment, SpoolVolume& reason) {
  SpoolVolume volume = std::exchange(segment.waiting, {});
  reason.add(volume);
  waiting_.subtract(volume);
  segment.left.subtract(volume);
}

void SpoolLog::remove_if_done(uint64_t number) {
  auto at = segments_.find(number);
  if (at == segments_.end() || at->second.left.frames > 0 || is_written(number)) return;
  std::string where = path(at->second.name), marks = marks_path(at->second.name);
  const uint64_t salt = at->second.name.salt;
  losses_->sync();
  bytes_ -= at->second.bytes;
  segments_.erase(at);
  if (reading_.number == number) reading_ = {};
  if (auto removed = files_.remove(where); !removed)
    log_warn("spool: segment not deleted", {{"segment", where}, {"error", removed.error()}});
  (void)files_.remove(marks);  // often there is none; open() deletes what stays
  losses_->forget(salt);
}

std::optional<UnixNanos> SpoolLog::oldest() const {
  for (auto& [number, segment] : segments_) {
    if (segment.left.frames == 0) continue;
    return segment.oldest;
  }
  return std::nullopt;
}

}  // namespace agent
