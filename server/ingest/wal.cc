#include "server/ingest/wal.h"

#include <chrono>
#include <random>

#include "pipeline/base/checksum.h"
#include "pipeline/base/log.h"
#include "server/ingest/wal_segment.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::FileSystem;
using pipeline::log_warn;
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

uint64_t random_salt() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

struct Wal::Segment {
  std::string path;
  uint64_t last_number;
};

struct Wal::Replay {
  uint64_t flushed_through;
  const OnFrame& on_frame;
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
                                       uint64_t flushed_through, const OnFrame& on_frame) {
  TRY(files.make_folders(options.folder));
  std::unique_ptr<Wal> wal(new Wal(files, registry, std::move(options)));
  TRY_LET(auto names, files.list(wal->options_.folder));
  std::erase_if(names, [](const std::string& name) { return !is_segment_name(name); });
  wal->next_number_ = flushed_through + 1;
  Replay replay{flushed_through, on_frame};
  for (size_t i = 0; i < names.size(); ++i) TRY(wal->replay_segment(names[i], i + 1 == names.size(), replay));
  wal->release_through(flushed_through);
  return wal;
}

Result<void> Wal::replay_segment(const std::string& name, bool last, Replay& replay) {
  std::string path = concat(options_.folder, "/", name);
  uint64_t first = std::strtoull(name.c_str(), nullptr, 10);
  uint64_t last_number = first;  // also where nothing can be read: this number was given
  TRY_LET(auto report, read_wal_segment(files_, path, [&](WalFrame frame) -> Result<void> {
            last_number = std::max(last_number, frame.number);
            if (frame.number <= replay.flushed_through) return {};
            replayed_.add();
            return replay.on_frame(std::move(frame));
          }));
  if (report.damaged_places > 0) {
    skipped_.add(report.damaged_places);
    log_warn("wal: damaged frames skipped",
             {{"segment", path}, {"places", report.damaged_places}, {"bytes", report.damaged_bytes}});
  }
  if (report.good_end < report.size) {
    uint64_t cut = report.size - report.good_end;
    (last ? cut_bytes_ : skipped_).add(last ? cut : 1);
    log_warn(last ? "wal: torn tail cut" : "wal: end of a sealed segment is damaged",
             {{"segment", path}, {"offset", report.good_end}, {"bytes", cut}});
    if (last) {
      TRY_LET(auto file, files_.open(path));
      TRY(file->truncate(report.good_end));
      TRY(file->sync());
    }
  }
  next_number_ = std::max(next_number_, last_number + 1);
  sealed_.push_back({std::move(path), last_number});
  return {};
}

Result<void> Wal::append(std::span<WalFrame* const> group) {
  uint64_t first = next_number_;
  for (WalFrame* frame : group) frame->number = next_number_++;
  seal_if_released();
  if (!file_) TRY(start_segment(first));
  uint64_t before = size_;
  if (auto written = write_group(group); !written) {
    undo_group(written.error());
    return fail(std::move(written).error());
  }
  auto start = std::chrono::steady_clock::now();
  if (auto synced = file_->sync(); !synced) {
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
    TRY_LET(file_, files_.create(path_));
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
    if (buffer_.size() >= kBufferBytes) TRY(empty_buffer());
  }
  if (!buffer_.empty()) TRY(empty_buffer());
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

void Wal::seal() {
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
  for (const Segment& segment : segments)
    if (auto removed = files_.remove(segment.path); !removed)
      log_warn("wal: segment not deleted", {{"segment", segment.path}, {"error", removed.error()}});
}

}  // namespace server
