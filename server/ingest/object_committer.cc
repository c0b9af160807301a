#include "server/ingest/object_committer.h"

#include <algorithm>
#include <pthread.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::log_warn;
using pipeline::pass_failpoint;
using pipeline::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kGateCheck{100};

}  // namespace

ObjectCommitter::ObjectCommitter(ObjectCommitterDoors doors, ObjectCommitterOptions options, uint64_t last_frame)
    : doors_(std::move(doors)),
      options_(options),
      last_frame_(last_frame),
      early_(options.early_burst),
      early_at_(steady_clock::now()),
      objects_(doors_.registry.counter("skidway_server_ack_objects_total", "Objects whose pushes were acknowledged")),
      early_objects_(doors_.registry.counter("skidway_server_ack_early_objects_total",
                                             "Of these, objects written before the linger time was over")),
      failures_(doors_.registry.counter("skidway_server_ack_failures_total", "Objects whose pushes got an error")),
      entries_(doors_.registry.counter("skidway_server_flushed_entries_total", "Entries written into L0 objects")),
      object_bytes_(
          doors_.registry.counter("skidway_server_flushed_object_bytes_total", "Bytes of L0 objects written")),
      seconds_(doors_.registry.histogram("skidway_server_ack_seconds",
                                         "From the first push of an object to the acknowledgement of all of them",
                                         pipeline::latency_buckets())) {
  for (size_t i = 0; i < options_.uploads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), "ack");
  }
}

ObjectCommitter::~ObjectCommitter() { stop(); }

void ObjectCommitter::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  grown_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void ObjectCommitter::commit(WalFrame frame, PushedEntries entries, Done done) {
  pass_failpoint("buffer.before_add");
  const auto now = steady_clock::now();
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      const bool begins = buffer_ == nullptr;
      if (begins) {
        buffer_ = std::make_unique<Buffer>();
        buffer_->first = now;
      }
      buffer_->pushes.push_back(std::move(done));
      buffer_->head.add(std::move(entries), frame.tenant, buffer_->pushes.size(), frame.batch);
      buffer_->bytes += frame.body.size();
      buffer_->last = now;
      if (begins) wake_.notify_one();
      if (full()) grown_.notify_one();
      return;
    }
  }
  done(fail(Errc::kCancelled, "the server is stopping"));
}

void ObjectCommitter::run() {
  L0Writer writer(doors_.store, doors_.catalog, doors_.clock, doors_.registry);
  while (auto buffer = wait_for_buffer()) store(std::move(buffer), writer);
}

// Null: stopped, and nothing waits.
ObjectCommitter::BufferPtr ObjectCommitter::wait_for_buffer() {
  std::unique_lock lock(mutex_);
  while (!buffer_ || watched_) {
    if (stopping_) return nullptr;  // where it is watched: that thread writes it
    wake_.wait(lock);
  }
  watched_ = true;
  for (auto now = steady_clock::now(); !due(now); now = steady_clock::now()) grown_.wait_until(lock, next_look(now));
  watched_ = false;
  underway_.insert(buffer_->first);
  return std::move(buffer_);
}

std::optional<std::string> ObjectCommitter::trouble() const {
  if (auto text = trouble_.text()) return text;
  std::lock_guard lock(mutex_);
  const auto late = steady_clock::now() - options_.patience / 2;
  if (underway_.empty() || *underway_.begin() > late) return std::nullopt;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - *underway_.begin());
  return concat("an object has been on its way for ", seconds.count(), " s");
}

// Under mutex_, as the next three.
bool ObjectCommitter::full() const {
  return buffer_->bytes >= options_.bytes || buffer_->head.raw_bytes() >= options_.raw_bytes;
}

bool ObjectCommitter::due(Time now) {
  if (stopping_) return true;
  if (!doors_.may_commit()) return false;
  if (full() || now >= buffer_->first + options_.linger) return true;
  return now >= buffer_->last + options_.quiet && doors_.coming() == 0 && take_early();
}

bool ObjectCommitter::take_early() {
  const auto now = steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - early_at_).count();
  early_ = std::min(options_.early_burst, early_ + seconds * options_.early_per_second);
  early_at_ = now;
  if (early_ < 1) return false;
  early_ -= 1;
  early_objects_.add();
  return true;
}

ObjectCommitter::Time ObjectCommitter::next_look(Time now) const {
  const Time end = buffer_->first + options_.linger;
  if (end <= now) return now + kGateCheck;
  const Time quiet = buffer_->last + options_.quiet;
  return std::min(end, quiet > now ? quiet : now + options_.quiet);
}

void ObjectCommitter::store(BufferPtr buffer, L0Writer& writer) {
  pass_failpoint("buffer.taken");
  auto sealed = buffer->head.seal();
  std::optional<ObjectRow> row;
  auto outcome = try_store(*sealed, writer, row);
  while (!outcome && steady_clock::now() + options_.retry < buffer->first + options_.patience) {
    trouble_.note(outcome.error().message);
    if (outcome.error().code == Errc::kCancelled) break;
    std::this_thread::sleep_for(options_.retry);
    outcome = try_store(*sealed, writer, row);
  }
  {
    std::lock_guard lock(mutex_);
    underway_.erase(underway_.find(buffer->first));
  }
  if (outcome) {
    objects_.add();
    entries_.add(row->summary.rows);
    object_bytes_.add(row->summary.size);
    seconds_.observe(std::chrono::duration<double>(steady_clock::now() - buffer->first).count());
  } else {
    if (row) (void)doors_.catalog.abandon_output(row->summary.object);  // it may be in the store, and nobody wants it
    failures_.add();
    trouble_.note(outcome.error().message);
    log_warn("pushes are not stored", {{"pushes", buffer->pushes.size()}, {"error", outcome.error()}});
  }
  for (Done& done : buffer->pushes) {
    pass_failpoint("buffer.before_ack");
    done(outcome);
  }
}

Result<void> ObjectCommitter::try_store(const SealedHead& head, L0Writer& writer, std::optional<ObjectRow>& row) {
  if (!row) { TRY_LET(row, writer.write(head, 0)); }
  return commit_row(head, *row);
}

// Numbers are given in the order of commits: who sees the catalogue's last number has seen all before it.
Result<void> ObjectCommitter::commit_row(const SealedHead& head, const ObjectRow& row) {
  auto batches = ranges_of(head);
  TRY(failpoint("buffer.before_commit"));
  if (!doors_.may_commit()) return fail(Errc::kUnavailable, "the log of an earlier run is not in the store yet");
  std::lock_guard lock(commit_mutex_);
  const uint64_t frame = ++last_frame_;
  TRY(doors_.catalog.commit_l0({&row, 1}, batches, frame));
  TRY(failpoint("buffer.after_commit"));
  doors_.feed.tell(head, frame);
  return {};
}

}  // namespace server
