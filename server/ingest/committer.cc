#include "server/ingest/committer.h"

#include <pthread.h>

namespace server {

using pipeline::Errc;
using pipeline::fail;

Committer::Committer(Wal& wal, Head& head, CommitFeed& feed)
    : wal_(wal), head_(head), feed_(feed), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "wal");
}

Committer::~Committer() { stop(); }

void Committer::commit(WalFrame frame, PushedEntries entries, Done done) {
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

void Committer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<std::string> Committer::trouble() const {
  std::lock_guard lock(mutex_);
  if (!trouble_at_ || std::chrono::steady_clock::now() - *trouble_at_ > kTroubleMemory) return std::nullopt;
  return trouble_;
}

void Committer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::vector<Waiting> group = std::exchange(waiting_, {});
    lock.unlock();
    commit_group(std::move(group));
    lock.lock();
  }
}

void Committer::commit_group(std::vector<Waiting> group) {
  std::vector<WalFrame*> frames;
  frames.reserve(group.size());
  for (Waiting& push : group) frames.push_back(&push.frame);
  auto appended = wal_.append(frames);
  if (!appended) {
    std::lock_guard lock(mutex_);
    trouble_ = appended.error().message;
    trouble_at_ = std::chrono::steady_clock::now();
  }
  for (Waiting& push : group) {
    if (appended) feed_.make_visible(head_, std::move(push.entries), push.frame);
    push.done(appended);
  }
}

}  // namespace server
