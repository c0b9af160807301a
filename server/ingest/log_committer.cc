#include "server/ingest/log_committer.h"

#include <pthread.h>

#include "pipeline/base/failpoint.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::pass_failpoint;

LogCommitter::LogCommitter(Wal& wal, Head& head, CommitFeed& feed)
    : wal_(wal), head_(head), feed_(feed), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "wal");
}

LogCommitter::~LogCommitter() { stop(); }

void LogCommitter::commit(WalFrame frame, PushedEntries entries, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.push_back({std::move(frame), std::move(entries), std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  done(fail(Errc::kCancelled, "the server is stopping"));
}

void LogCommitter::roll() {
  std::lock_guard lock(mutex_);
  roll_ = true;
  wake_.notify_one();
}

void LogCommitter::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LogCommitter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || roll_ || !waiting_.empty(); });
    const bool roll = std::exchange(roll_, false);
    if (waiting_.empty() && !roll) return;
    std::vector<Waiting> group = std::exchange(waiting_, {});
    lock.unlock();
    if (!group.empty()) commit_group(std::move(group));
    if (roll) wal_.roll();
    lock.lock();
  }
}

void LogCommitter::commit_group(std::vector<Waiting> group) {
  std::vector<WalFrame*> frames;
  frames.reserve(group.size());
  for (Waiting& push : group) frames.push_back(&push.frame);
  auto appended = wal_.append(frames);
  if (!appended) trouble_.note(appended.error().message);
  pass_failpoint("commit.after_log");
  for (Waiting& push : group) {
    if (appended) feed_.make_visible(head_, std::move(push.entries), push.frame);
    pass_failpoint("commit.before_ack");
    push.done(appended);
    pass_failpoint("commit.after_ack");
  }
}

}  // namespace server
