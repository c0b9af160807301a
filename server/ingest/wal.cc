#include "server/ingest/wal.h"

#include <chrono>
#include <random>

#include "pipeline/base/checksum.h"
#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/ingest/wal_segment.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::FileSystem;
using pipeline::log_warn;
using pipeline::pass_failpoint;
using pipeline::Result;

namespace {

constexpr std::string_view kSuffix = ".wal";
constexpr size_t kNumberDigits = 20;
constexpr size_t kSmallBody = 64 << 10;     // below: copied together, so that a group of small pushes is one write
constexpr size_t kBufferBytes = 256 << 10;  // the write buffer is emptied when it has grown to this

std::string segment_name(uint64_t first_number) {
  std::string digits = std::to_string(first_number);
  return concat(std::string(kNumberDigits - digits.size(), '0'), digits, kSuffix);
}

bool is_segment_name(std::string_view name) {
  return name.size() == kNumberDigits + kSuffix.size() && name.ends_with(kSuffix);
}

uint64_t number_of(const std::string& segment_name) { return std::strtoull(segment_name.c_str(), nullptr, 10); }

uint64_t random_salt() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

struct Wal::Segment {
  std::string path;
  uint64_t last_number;
};

Wal::Wal(FileSystem& files, pipeline::Registry& registry, WalOptions options)
    : files_(files),
      options_(std::move(options)),
      bytes_(registry.counter("skidway_server_wal_bytes_total", "Bytes appended to the write-ahead log")),
      frames_(registry.counter("skidway_server_wal_frames_total", "Pushes appended to the write-ahead log")),
      failures_(registry.counter("skidway_server_wal_failures_total", "Groups that could not be appended or synced")),
      replayed_(registry.counter("skidway_server_wal_replayed_frames_total", "Pushes replayed at the start")),
      skipped_(registry.counter("skidway_server_wal_damaged_frames_total", "Damaged places skipped by the replay")),
      cut_bytes_(registry.counter("skidway_server_wal_cut_bytes_total", "Bytes of a torn tail, cut by the replay")),
      sync_seconds_(registry.histogram("skidway_server_wal_sync_seconds", "Time of one group sync of the log",
                                       pipeline::latency_buckets())) {}

Wal::~Wal() = default;

Result<std::unique_ptr<Wal>> Wal::open(FileSystem& files, pipeline::Registry& registry, WalOptions options,
                                       uint64_t flushed_through) {
  TRY(files.make_folders(options.folder));
  std::unique_ptr<Wal> wal(new Wal(files, registry, std::move(options)));
  TRY_LET(auto names, files.list(wal->options_.folder));
  std::erase_if(names, [](const std::string& name) { return !is_segment_name(name); });
  wal->next_number_ = std::max(flushed_through + 1, wal->options_.least_number);
  wal->flushed_through_ = flushed_through;
  TRY(wal->find_segments(std::move(names)));
  wal->release_through(flushed_through);
  return wal;
}

// A segment's frames have numbers below that of the next one's name.
Result<void> Wal::find_segments(std::vector<std::string> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    const uint64_t first = number_of(names[i]);
    std::string path = concat(options_.folder, "/", names[i]);
    uint64_t last_number = first;
    if (i + 1 < names.size()) {
      last_number = std::max(first, number_of(names[i + 1]) - 1);
    } else {
      TRY_LET(last_number, cut_torn_tail(path, first));
    }
    next_number_ = std::max(next_number_, last_number + 1);
    if (last_number > flushed_through_) {
      TRY_LET(auto file, files_.open_to_read(path));
      TRY_LET(uint64_t size, file->size());
      replay_bytes_ += size;
      to_replay_.push_back(path);
    }
    sealed_.push_back({std::move(path), last_number});
  }
  return {};
}

// Of the last segment. Returns the number of its last frame; `first` where nothing can be read: this one was given.
Result<uint64_t> Wal::cut_torn_tail(const std::string& path, uint64_t first) {
  uint64_t last_number = first;
  TRY_LET(auto report, read_wal_segment(files_, path, [&](const WalFrame& frame) -> Result<void> {
            last_number = std::max(last_number, frame.number);
            return {};
          }));
  if (report.good_end == report.size) return last_number;
  const uint64_t cut = report.size - report.good_end;
  cut_bytes_.add(cut);
  log_warn("wal: torn tail cut", {{"segment", path}, {"offset", report.good_end}, {"bytes", cut}});
  TRY_LET(auto file, files_.open(path));
  TRY(file->truncate(report.good_end));
  TRY(file->sync());
  return last_number;
}

Result<void> Wal::replay(const OnFrame& on_frame) {
  for (const std::string& path : std::exchange(to_replay_, {})) TRY(replay_segment(path, on_frame));
  return {};
}

Result<void> Wal::replay_segment(const std::string& path, const OnFrame& on_frame) {
  const uint64_t before = replayed_bytes_;
  auto outcome = read_wal_segment(files_, path, [&](WalFrame frame) -> Result<void> {
    if (frame.number <= flushed_through_) return {};
    replayed_.add();
    replayed_bytes_ += frame.body.size();
    TRY(failpoint("wal.replay_frame"));
    return on_frame(std::move(frame));
  });
  TRY(outcome);
  replayed_bytes_ = before + outcome->size;
  if (outcome->damaged_places > 0) {
    skipped_.add(outcome->damaged_places);
    log_warn("wal: damaged frames skipped",
             {{"segment", path}, {"places", outcome->damaged_places}, {"bytes", outcome->damaged_bytes}});
  }
  if (outcome->good_end < outcome->size) {
    skipped_.add();
    log_warn("wal: end of a sealed segment is damaged",
             {{"segment", path}, {"offset", outcome->good_end}, {"bytes", outcome->size - outcome->good_end}});
  }
  return {};
}

Result<void> Wal::append(std::span<WalFrame* const> group) {
  uint64_t first = next_number_;
  for (WalFrame* frame : group) frame->number = next_number_++;
  seal_if_released();
  TRY(failpoint("wal.append"));
  if (!file_) TRY(start_segment(first));
  uint64_t before = size_;
  if (auto written = write_group(group); !written) {
    undo_group(written.error());
    return fail(std::move(written).error());
  }
  auto start = std::chrono::steady_clock::now();
  auto synced = sync();
  if (!synced) {
    failures_.add();
    log_warn("wal: sync failed, segment sealed", {{"segment", path_}, {"error", synced.error()}});
    last_number_ = next_number_ - 1;
    seal();
    return fail(std::move(synced).error());
  }
  sync_seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  last_number_ = next_number_ - 1;
  frames_.add(group.size());
  bytes_.add(size_ - before);
  if (size_ >= options_.segment_bytes) seal();
  return {};
}

// So that the log of a quiet server becomes empty.
void Wal::roll() {
  if (!file_) return;
  seal();
  release_through(0);
}

void Wal::seal_if_released() {
  if (!file_) return;
  {
    std::lock_guard lock(mutex_);
    if (released_ < last_number_) return;
  }
  seal();
  release_through(0);
}

Result<void> Wal::start_segment(uint64_t first_number) {
  salt_ = random_salt();
  last_number_ = first_number;
  path_ = concat(options_.folder, "/", segment_name(first_number));
  size_ = 0;
  auto started = [&]() -> Result<void> {
    TRY(failpoint("wal.before_create"));
    TRY_LET(file_, files_.create(path_));
    TRY(failpoint("wal.before_header"));
    TRY(file_->append(wal_segment_header(salt_)));
    return files_.sync_folder(options_.folder);
  }();
  if (started) {
    size_ = kWalSegmentHeaderBytes;
    return {};
  }
  failures_.add();
  if (file_) {
    file_.reset();
    if (auto removed = files_.remove(path_); !removed)
      log_warn("wal: unfinished segment not deleted", {{"segment", path_}, {"error", removed.error()}});
  }
  return started;
}

Result<void> Wal::write_group(std::span<WalFrame* const> group) {
  uint64_t added = 0;
  auto empty_buffer = [&]() -> Result<void> {
    added += buffer_.size();
    auto written = file_->append(buffer_);
    buffer_.clear();
    return written;
  };
  buffer_.clear();
  for (WalFrame* frame : group) {
    append_wal_frame_header(buffer_, *frame, salt_);
    if (frame->body.size() < kSmallBody) {
      buffer_ += frame->body;
    } else {
      TRY(empty_buffer());
      TRY(file_->append(frame->body));
      added += frame->body.size();
    }
    append_wal_levels(buffer_, *frame, salt_);
    if (buffer_.size() >= kBufferBytes) TRY(empty_buffer());
  }
  TRY(failpoint("wal.before_write"));
  if (!buffer_.empty()) TRY(empty_buffer());
  TRY(failpoint("wal.after_write"));
  size_ += added;
  return {};
}

// The frames of a failed group must not be found by a replay more than needed: cut them off. Where not even that works,
// the segment's end is unknown: no more writing there.
void Wal::undo_group(const Error& why) {
  failures_.add();
  auto truncated = file_->truncate(size_);
  if (auto held = failure_log_.allow()) {
    log_warn("wal: append failed", {{"segment", path_},
                                    {"error", why},
                                    {"truncated", truncated ? "yes" : truncated.error().message},
                                    {"held_back", *held}});
  }
  if (!truncated) {
    last_number_ = next_number_ - 1;
    seal();
  }
}

Result<void> Wal::sync() {
  TRY(failpoint("wal.before_sync"));
  TRY(file_->sync());
  return failpoint("wal.after_sync");
}

void Wal::seal() {
  pass_failpoint("wal.seal");
  file_.reset();
  std::lock_guard lock(mutex_);
  sealed_.push_back({std::move(path_), last_number_});
  path_.clear();
}

void Wal::release_through(uint64_t number) {
  std::deque<Segment> done;
  {
    std::lock_guard lock(mutex_);
    released_ = std::max(released_, number);
    while (!sealed_.empty() && sealed_.front().last_number <= released_) {
      done.push_back(std::move(sealed_.front()));
      sealed_.pop_front();
    }
  }
  delete_segments(std::move(done));
}

// A file that cannot be deleted costs space and nothing else: its frames are known to be flushed, also after a restart.
void Wal::delete_segments(std::deque<Segment> segments) {
  for (const Segment& segment : segments) {
    pass_failpoint("wal.before_delete");
    if (auto removed = files_.remove(segment.path); !removed)
      log_warn("wal: segment not deleted", {{"segment", segment.path}, {"error", removed.error()}});
  }
}

}  // namespace server
