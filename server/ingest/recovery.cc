#include "server/ingest/recovery.h"

#include <future>
#include <pthread.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::Result;

namespace {

constexpr std::chrono::milliseconds kLook{100};

FlusherOptions flusher_options(const RecoveryOptions& options) {
  FlusherOptions flush;
  flush.interval = std::chrono::hours(1);  // only when the head is half full, and at the end
  flush.bytes = options.head_bytes / 2;
  flush.retry = options.retry;
  return flush;
}

}  // namespace

Recovery::Recovery(Doors doors, RecoveryOptions options)
    : doors_(std::move(doors)),
      options_(options),
      flusher_(head_, doors_.wal, doors_.store, doors_.catalog, doors_.clock, doors_.registry, flusher_options(options),
               [this] { on_released(); }),
      thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "replay");
}

Recovery::~Recovery() { stop(); }

void Recovery::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  flusher_.stop();
}

std::optional<std::string> Recovery::progress() const {
  if (!replaying_) return std::nullopt;
  constexpr uint64_t kMegabyte = 1'000'000;
  return concat(doors_.wal.replayed_bytes() / kMegabyte, " of ", doors_.wal.replay_bytes() / kMegabyte,
                " MB of the log are read");
}

std::optional<std::string> Recovery::trouble() const {
  std::lock_guard lock(mutex_);
  if (trouble_.empty()) return std::nullopt;
  return trouble_;
}

bool Recovery::wait_for_replay(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [this] { return !replaying_; });
}

void Recovery::on_released() {
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
  doors_.released();
}

void Recovery::run() {
  const auto start = std::chrono::steady_clock::now();
  auto replayed = doors_.wal.replay([this](WalFrame frame) -> Result<void> {
    TRY(wait_for_room());
    return doors_.add(std::move(frame), head_, columns_);
  });
  columns_->close();
  if (!replayed) {
    if (stopping_) return;
    pipeline::log_error("the log of the last run cannot be read", {{"error", replayed.error()}});
    std::lock_guard lock(mutex_);
    trouble_ = replayed.error().message;
    return;
  }
  {
    std::lock_guard lock(mutex_);
    replaying_ = false;
  }
  changed_.notify_all();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  pipeline::log_info("log replayed", {{"bytes", doors_.wal.replay_bytes()}, {"took_ms", took.count()}});
  while (!flush_all() || !finish())
    if (!pause()) return;
  done_ = true;
}

Result<void> Recovery::wait_for_room() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && head_.raw_bytes() >= options_.head_bytes / 2) {
    if (head_.growing_bytes() >= options_.head_bytes / 2) flusher_.poke();
    if (head_.raw_bytes() < options_.head_bytes) break;
    changed_.wait_for(lock, kLook);
  }
  if (stopping_) return fail(Errc::kCancelled, "the server is stopping");
  return {};
}

// True: nothing of the log is outside of objects.
bool Recovery::flush_all() {
  std::promise<bool> flushed;
  flusher_.flush_now([&](Result<void> outcome) { flushed.set_value(outcome.has_value()); });
  return flushed.get_future().get() && head_.raw_bytes() == 0;
}

Result<void> Recovery::finish() {
  const uint64_t frame = doors_.mark.on_recovered();
  TRY(failpoint("recovery.before_finish"));
  if (frame == 0) return {};
  TRY(doors_.catalog.commit_l0({}, {}, frame));
  doors_.wal.release_through(frame);
  return {};
}

// Before the next try; false: stopped.
bool Recovery::pause() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, options_.retry, [this] { return stopping_.load(); });
}

}  // namespace server
