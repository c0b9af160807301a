// AwaitedStore: a store that may be out of reach while the server starts.
//
// A thread of its own prepares the store behind it, claims it for the cluster (cluster_marker.h) and asks
// Options::admit, again and again until that is done. Before, every call fails at once with kUnavailable and says why,
// so nothing is ever written to a store of which nobody knows whose it is.
//
// Life:    open() waits for the first try as Options says. The destructor joins the thread; call give_up_after() first
//          where the far side may be silent.
// Thread:  any.
// Errors:  open(): of the first try, where Options::must_be_there, or where the store certainly is another's. Later
// such
//          an error stays trouble() and is asked again: nothing but an operator changes it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "server/store/object_store.h"

namespace server {

struct AwaitedStoreOptions {
  Ulid cluster;
  std::string place;                                // "s3://bucket/prefix", for messages
  std::function<Result<void>()> prepare;            // before the claim; may be empty
  std::function<Result<void>(ObjectStore&)> admit;  // after it, with the store itself; may be empty
  bool must_be_there = true;                        // false: this cluster's catalogue has used it before
  std::chrono::milliseconds first_wait{3000};       // for the first try, where it need not be there
  std::chrono::milliseconds retry{1000};
};

class AwaitedStore final : public ObjectStore {
 public:
  static Result<std::unique_ptr<AwaitedStore>> open(std::unique_ptr<ObjectStore> store, AwaitedStoreOptions options);
  ~AwaitedStore() override;

  // Why the store could not be opened yet, or nothing.
  std::optional<std::string> trouble() const;

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override;
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override;
  Result<uint64_t> size(const std::string& key) override;
  Result<void> remove(const std::string& key) override;
  Result<void> abandon(const std::string& key) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<uint64_t> remove_unfinished(const std::string& folder) override;
  uint64_t request_worth_bytes() const override { return store_->request_worth_bytes(); }
  void give_up_after(std::chrono::milliseconds delay) override;

 private:
  AwaitedStore(std::unique_ptr<ObjectStore> store, AwaitedStoreOptions options);
  Result<void> try_open();
  void run();
  Result<void> opened() const;

  const std::unique_ptr<ObjectStore> store_;
  const AwaitedStoreOptions options_;
  std::atomic<bool> open_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<pipeline::Error> error_;  // under mutex_; of the last try
  bool stopping_ = false;                 // under mutex_
  std::thread thread_;
};

}  // namespace server
