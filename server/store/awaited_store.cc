#include "server/store/awaited_store.h"

#include <pthread.h>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/store/cluster_marker.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

// Not a matter of time: the store is another cluster's, or not one of ours.
bool is_certain(const pipeline::Error& error) { return error.code == Errc::kInvalid || error.code == Errc::kCorrupt; }

}  // namespace

AwaitedStore::AwaitedStore(std::unique_ptr<ObjectStore> store, AwaitedStoreOptions options)
    : store_(std::move(store)), options_(std::move(options)) {}

Result<std::unique_ptr<AwaitedStore>> AwaitedStore::open(std::unique_ptr<ObjectStore> store,
                                                         AwaitedStoreOptions options) {
  std::unique_ptr<AwaitedStore> awaited(new AwaitedStore(std::move(store), std::move(options)));
  AwaitedStore& a = *awaited;
  if (a.options_.must_be_there) {
    TRY(a.try_open());
    a.open_ = true;
    return awaited;
  }
  a.thread_ = std::thread([&a] { a.run(); });
  std::unique_lock lock(a.mutex_);
  a.changed_.wait_for(lock, a.options_.first_wait, [&a] { return a.open_ || a.error_; });
  if (a.open_) return awaited;
  if (a.error_ && is_certain(*a.error_)) return fail(*a.error_);
  pipeline::log_warn("the store is not there; the server starts without it",
                     {{"store", a.options_.place}, {"error", a.error_ ? a.error_->message : "no answer yet"}});
  lock.unlock();
  return awaited;
}

AwaitedStore::~AwaitedStore() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> AwaitedStore::try_open() {
  if (options_.prepare) TRY(options_.prepare());
  TRY(pipeline::failpoint("store.before_claim"));
  TRY(claim_store(*store_, options_.cluster, options_.place));
  if (options_.admit) TRY(options_.admit(*store_));
  return pipeline::failpoint("store.after_claim");
}

void AwaitedStore::run() {
  pthread_setname_np(pthread_self(), "store");
  std::unique_lock lock(mutex_);
  for (bool first = true; !stopping_; first = false) {
    lock.unlock();
    auto outcome = try_open();
    lock.lock();
    if (outcome) {
      open_ = true;
      changed_.notify_all();
      if (!first) pipeline::log_info("the store is there", {{"store", options_.place}});
      return;
    }
    if (is_certain(outcome.error()) && (!error_ || error_->message != outcome.error().message))
      pipeline::log_error("the store cannot be used", {{"store", options_.place}, {"error", outcome.error()}});
    error_ = std::move(outcome).error();
    changed_.notify_all();
    changed_.wait_for(lock, options_.retry, [this] { return stopping_; });
  }
}

Result<void> AwaitedStore::opened() const {
  if (open_) return {};
  return fail(Errc::kUnavailable, concat("the store ", options_.place,
                                         " is not there since the start: ", trouble().value_or("no answer yet")));
}

std::optional<std::string> AwaitedStore::trouble() const {
  if (open_) return std::nullopt;
  std::lock_guard lock(mutex_);
  return error_ ? error_->message : "no answer yet";
}

Result<std::unique_ptr<ObjectUpload>> AwaitedStore::create(const std::string& key) {
  TRY(opened());
  return store_->create(key);
}

Result<void> AwaitedStore::get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) {
  TRY(opened());
  return store_->get_range(key, offset, length, out);
}

Result<uint64_t> AwaitedStore::size(const std::string& key) {
  TRY(opened());
  return store_->size(key);
}

Result<void> AwaitedStore::remove(const std::string& key) {
  TRY(opened());
  return store_->remove(key);
}

Result<void> AwaitedStore::abandon(const std::string& key) {
  TRY(opened());
  return store_->abandon(key);
}

Result<std::vector<std::string>> AwaitedStore::list(const std::string& folder) {
  TRY(opened());
  return store_->list(folder);
}

Result<uint64_t> AwaitedStore::remove_unfinished(const std::string& folder) {
  TRY(opened());
  return store_->remove_unfinished(folder);
}

void AwaitedStore::give_up_after(std::chrono::milliseconds delay) {
  {
    std::lock_guard lock(mutex_);
    stopping_ = stopping_ || !open_;
  }
  changed_.notify_all();
  store_->give_up_after(delay);
}

}  // namespace server
