#include "agent/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "agent/checkpoint/checkpoint_tables.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::log_error;
using pipeline::Result;

namespace {
constexpr std::chrono::seconds kRetryAfter{1};
constexpr std::chrono::seconds kPatience{5};
constexpr size_t kMostWaiting = 4096;  // operations, before they are written at once; some hundred bytes each
constexpr size_t kMostBehind = 8192;   // before those who ask for more wait: at a start with very many files
constexpr size_t kMostKept = 256;      // room for them, when there are none

struct Opened {
  CheckpointTables tables;
  Resume resume;
};

Result<Opened> open_and_load(const CheckpointStoreOptions& options, pipeline::UnixNanos last_written) {
  TRY_LET(auto tables, CheckpointTables::open(options.path));
  TRY_LET(auto resume, tables.load(options.sinks, last_written));
  return Opened{std::move(tables), std::move(resume)};
}

// Renames the file and its journal; returns where it is now.
Result<std::string> set_aside(const std::string& path) {
  for (int n = 1; n < 1000; n++) {
    std::string aside = concat(path, ".corrupt-", n);
    if (::access(aside.c_str(), F_OK) == 0) continue;
    if (std::rename(path.c_str(), aside.c_str()) != 0)
      return fail(pipeline::system_error(concat("rename ", path), errno));
    std::rename((path + "-wal").c_str(), (aside + "-wal").c_str());
    std::remove((path + "-shm").c_str());
    return aside;
  }
  return fail(Errc::kIo, concat(path, ": too many damaged files set aside; remove them"));
}

// When the store was written last, before it is opened: that writes. Who only looks leaves an empty journal.
pipeline::UnixNanos written_at(const std::string& path) {
  pipeline::UnixNanos latest = 0;
  for (const char* end : {"", "-wal"}) {
    struct stat status {};
    if (::stat(concat(path, end).c_str(), &status) == 0 && status.st_size > 0)
      latest = std::max(latest, status.st_mtim.tv_sec * pipeline::UnixNanos{1'000'000'000} + status.st_mtim.tv_nsec);
  }
  return latest;
}

Result<Opened> open_or_begin_afresh(const CheckpointStoreOptions& options) {
  const pipeline::UnixNanos last_written = written_at(options.path);
  auto opened = open_and_load(options, last_written);
  if (opened || opened.error().code != Errc::kCorrupt) return opened;
  Error damage = opened.error();
  TRY_LET(std::string aside, set_aside(options.path));
  log_error("checkpoints damaged: files are read as if seen for the first time",
            {{"error", damage}, {"kept_as", aside}});
  return open_and_load(options, last_written);
}
}  // namespace

class CheckpointStore::Worker {
 public:
  Worker(Opened opened, const CheckpointStoreOptions& options, pipeline::Registry& registry)
      : resume_(std::move(opened.resume)),
        tables_(std::move(opened.tables)),
        group_wait_(options.group_wait),
        next_file_(tables_.first_free_file_id()),
        groups_(registry.counter("skidway_agent_checkpoint_groups_total", "Transactions of the checkpoint store.")),
        failures_(registry.counter("skidway_agent_checkpoint_failures_total",
                                   "Transactions of the checkpoint store that failed and are tried again.")),
        records_(
            registry.gauge("skidway_agent_checkpoint_records", "Batch records kept: not acked, or above a position.")),
        seconds_(registry.histogram("skidway_agent_checkpoint_group_seconds",
                                    "Time to write one group of checkpoints durably.", pipeline::latency_buckets())),
        losses_(resume_) {
    records_.set(static_cast<int64_t>(tables_.live_records()));
    cursors_ = resume_.cursors;
    known_until_ = tables_.known_until();
    thread_ = std::thread([this] { run(); });
  }

  ~Worker() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  const Resume& resume() const { return resume_; }
  pipeline::UnixNanos known_until(std::string_view source, FileId file) const {
    auto found = known_until_.find(source);
    if (found == known_until_.end()) return resume_.last_written;
    auto time = found->second.lower_bound(file);
    return time == found->second.end() ? resume_.last_written : time->second;
  }
  void forget_resume() {
    resume_.files.clear();
    for (auto& [name, sink] : resume_.sinks) {
      sink.positions.clear();
      sink.dropped = std::vector<DroppedBytes>();  // with its room, which = {} would keep
      sink.records = std::vector<BatchRecord>();
    }
  }
  Result<void> add_sink(const std::string& name) {
    auto answer = std::make_shared<std::promise<Result<SinkResume>>>();
    auto future = answer->get_future();
    add(
        {},
        [this, name, answer](Result<void> before) {
          answer->set_value(before ? tables_.add_sink(name) : Result<SinkResume>(fail(before.error())));
        },
        When::kAtOnce);
    if (future.wait_for(kPatience) != std::future_status::ready)
      return fail(Errc::kUnavailable, "the checkpoint store does not answer: is its disk full?");
    TRY_LET(resume_.sinks[name], future.get());
    losses_.add_sink(name, resume_.sinks[name]);
    return {};
  }
  LossLedger& losses() { return losses_; }
  std::string trouble() {
    std::lock_guard lock(cursors_mutex_);
    return trouble_;
  }
  void set_trouble(std::string trouble) {
    std::lock_guard lock(cursors_mutex_);
    trouble_ = std::move(trouble);
  }
  void note_cursor(const std::string& source, const std::string& key, const std::string& text) {
    std::lock_guard lock(cursors_mutex_);
    auto& cursors = cursors_[source];
    if (text.empty())
      cursors.erase(key);
    else
      cursors[key] = text;
  }
  void hold_cursor(const std::string& source, const std::string& key, std::string text) {
    note_cursor(source, key, text);
    std::lock_guard lock(cursors_mutex_);
    held_[source][key] = std::move(text);
  }
  void let_go(const std::string& source, const std::string& key) {
    std::lock_guard lock(cursors_mutex_);
    if (auto held = held_.find(source); held != held_.end()) held->second.erase(key);
  }
  void save_held(const std::string& source, CursorText with) {
    std::vector<CheckpointOperation> operations;
    {
      std::lock_guard lock(cursors_mutex_);
      if (auto held = held_.extract(source); !held.empty())
        for (auto& [key, text] : held.mapped()) operations.push_back(SaveCursor{source, key, text});
      const Texts& known = cursors_[with.source];
      const auto at = known.find(with.key);
      if (operations.empty() && (at == known.end() ? "" : at->second) == with.text) return;
    }
    note_cursor(with.source, with.key, with.text);
    operations.push_back(SaveCursor{with.source, with.key, with.text});
    add(std::move(operations), nullptr, When::kAtOnce);
  }
  std::map<std::string, std::string> cursors(const std::string& source) {
    std::lock_guard lock(cursors_mutex_);
    auto found = cursors_.find(source);
    return found == cursors_.end() ? std::map<std::string, std::string>() : found->second;
  }
  FileId next_file() { return {next_file_.fetch_add(1, std::memory_order_relaxed)}; }

  enum class When { kSoon, kAtOnce };
  void add(std::vector<CheckpointOperation> operations, Done done, When when) {
    bool wake;
    {
      std::unique_lock lock(mutex_);
      if (std::this_thread::get_id() != thread_.get_id())
        stuck_ |=
            !room_.wait_for(lock, kRetryAfter, [&] { return waiting_.size() < kMostBehind || stuck_ || stopping_; });
      bool idle = waiting_.empty() && dones_.empty();
      if (idle) oldest_ = Steady::now();
      for (auto& operation : operations) waiting_.push_back(std::move(operation));
      if (done) dones_.push_back(std::move(done));
      if (waiting_.size() >= kMostWaiting) when = When::kAtOnce;
      wake = idle || (when == When::kAtOnce && !at_once_);
      at_once_ |= when == When::kAtOnce;
    }
    if (wake) wake_.notify_one();
  }

 private:
  using Steady = std::chrono::steady_clock;

  void run() {
    while (take_group()) write_group();
    for (std::vector<Done>* dones : {&group_dones_, &dones_})
      for (Done& done : *dones) done(fail(Errc::kCancelled, "the checkpoint store is closed"));
  }

  // Moves what waits into the group; false: nothing is left and the end has come, or the end has come with a group that
  // could not be written.
  bool take_group() {
    std::unique_lock lock(mutex_);
    if (failed_) {
      if (stopping_) return false;
      wake_.wait_for(lock, kRetryAfter, [&] { return stopping_; });
    } else {
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !dones_.empty(); });
      wake_.wait_until(lock, oldest_ + group_wait_, [&] { return stopping_ || at_once_; });
    }
    for (auto& operation : waiting_) group_.push_back(std::move(operation));
    for (auto& done : dones_) group_dones_.push_back(std::move(done));
    waiting_.clear(), dones_.clear();
    if (waiting_.capacity() > kMostKept) waiting_ = std::vector<CheckpointOperation>();
    at_once_ = false;
    room_.notify_all();
    return !group_.empty() || !group_dones_.empty();
  }

  void set_stuck(bool stuck) {
    std::lock_guard lock(mutex_);
    stuck_ = stuck;
    room_.notify_all();
  }

  void write_group() {
    auto start = Steady::now();
    if (Result<void> written = group_.empty() ? Result<void>() : tables_.write(group_); !written) {
      failed_ = true;
      set_stuck(true);
      failures_.add();
      set_trouble(written.error().message);
      if (auto held = limiter_.allow())
        log_error("checkpoints not written: nothing new is sent until they are",
                  {{"error", written.error()}, {"held_back", *held}});
      return;
    }
    if (std::exchange(failed_, false)) set_trouble("");
    set_stuck(false);
    groups_.add();
    seconds_.observe(std::chrono::duration<double>(Steady::now() - start).count());
    records_.set(static_cast<int64_t>(tables_.live_records()));
    group_.clear();
    if (group_.capacity() > kMostKept) group_ = std::vector<CheckpointOperation>();
    for (Done& done : std::exchange(group_dones_, {})) done({});
  }

  Resume resume_;                             // not the worker's
  CheckpointTables::KnownUntil known_until_;  // after the constructor nobody changes it
  CheckpointTables tables_;                   // worker, after the constructor
  std::vector<CheckpointOperation> group_;    // worker: being written, or failed and to be written again
  std::vector<Done> group_dones_;             // worker
  bool failed_ = false;                       // worker
  pipeline::LogLimiter limiter_;
  const std::chrono::milliseconds group_wait_;
  std::atomic<uint64_t> next_file_;
  pipeline::Counter& groups_;
  pipeline::Counter& failures_;
  pipeline::Gauge& records_;
  pipeline::Histogram& seconds_;

  LossLedger losses_;
  std::mutex cursors_mutex_;
  std::string trouble_;  // under cursors_mutex_
  using Texts = std::map<std::string, std::string>;
  std::map<std::string, Texts> cursors_;  // under cursors_mutex_: as saved, or held, last
  std::map<std::string, Texts> held_;     // under cursors_mutex_

  std::mutex mutex_;  // everything below
  std::condition_variable wake_;
  std::condition_variable room_;  // in waiting_
  std::vector<CheckpointOperation> waiting_;
  bool stuck_ = false;  // the last group failed, or takes very long: nobody waits for room
  std::vector<Done> dones_;
  Steady::time_point oldest_;
  bool at_once_ = false;
  bool stopping_ = false;
  std::thread thread_;  // not under the mutex: constructor and destructor
};

CheckpointStore::CheckpointStore(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
CheckpointStore::~CheckpointStore() = default;

Result<std::unique_ptr<CheckpointStore>> CheckpointStore::open(CheckpointStoreOptions options,
                                                               pipeline::Registry& registry) {
  TRY_LET(Opened opened, open_or_begin_afresh(options));
  return std::unique_ptr<CheckpointStore>(
      new CheckpointStore(std::make_unique<Worker>(std::move(opened), options, registry)));
}

const Resume& CheckpointStore::resume() const { return worker_->resume(); }

void CheckpointStore::forget_resume() { worker_->forget_resume(); }

Result<void> CheckpointStore::add_sink(const std::string& name) { return worker_->add_sink(name); }

FileId CheckpointStore::add_file(FileRecord record) {
  FileId file = worker_->next_file();
  update_file(file, std::move(record));
  return file;
}

void CheckpointStore::update_file(FileId file, FileRecord record) {
  worker_->add({PutFile{file, std::move(record)}}, nullptr, Worker::When::kSoon);
}

void CheckpointStore::forget_file(FileId file) {
  worker_->losses().forget(file);
  worker_->add({ForgetFile{file}}, nullptr, Worker::When::kSoon);
}

pipeline::UnixNanos CheckpointStore::known_until(std::string_view source, FileId file) const {
  return worker_->known_until(source, file);
}

void CheckpointStore::end_first_scan(const std::string& source) {
  worker_->add({EndFirstScan{source}}, nullptr, Worker::When::kSoon);
}

void CheckpointStore::put_records(const std::string& sink, std::vector<std::shared_ptr<const BatchRecord>> records,
                                  Done done) {
  std::vector<CheckpointOperation> operations;
  for (auto& record : records) operations.push_back(PutRecord{sink, std::move(record)});
  worker_->add(std::move(operations), std::move(done), Worker::When::kAtOnce);
}

void CheckpointStore::ack(const std::string& sink, BatchNumber number) {
  worker_->add({AckBatch{sink, number}}, nullptr, Worker::When::kSoon);
}

void CheckpointStore::save_positions(const std::string& sink, std::vector<FilePosition> positions) {
  std::vector<CheckpointOperation> operations;
  std::vector<DroppedBytes> dropped = worker_->losses().pass(sink, positions);
  operations.push_back(SavePositions{sink, std::move(positions)});
  if (!dropped.empty()) operations.push_back(SaveDrops{sink, std::move(dropped)});
  worker_->add(std::move(operations), nullptr, Worker::When::kSoon);
}

void CheckpointStore::save_cursor(const std::string& source, const std::string& key, std::string text) {
  worker_->note_cursor(source, key, text);
  worker_->let_go(source, key);
  worker_->add({SaveCursor{source, key, text}}, nullptr, Worker::When::kSoon);
}

void CheckpointStore::hold_cursor(const std::string& source, const std::string& key, std::string text) {
  worker_->hold_cursor(source, key, std::move(text));
}

void CheckpointStore::save_held(const std::string& source, CursorText with) {
  worker_->save_held(source, std::move(with));
}

std::map<std::string, std::string> CheckpointStore::cursors(const std::string& source) const {
  return worker_->cursors(source);
}

LossLedger& CheckpointStore::losses() { return worker_->losses(); }

void CheckpointStore::note_fault(const std::string& sink, std::string_view text, pipeline::UnixNanos now) {
  if (!worker_->losses().note_fault(sink, text, now)) return;
  worker_->add({SaveFault{sink, worker_->losses().fault(sink)}}, nullptr, Worker::When::kSoon);
}

std::string CheckpointStore::trouble() const { return worker_->trouble(); }

void CheckpointStore::flush(Done done) { worker_->add({}, std::move(done), Worker::When::kAtOnce); }

}  // namespace agent
