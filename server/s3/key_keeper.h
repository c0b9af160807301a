// KeyKeeper: the keys in use. Fetched when first needed, anew some minutes before they expire while the old ones still
// serve, and at once when the store refuses them.
//
// Life:    waiting calls are told kCancelled by stop(). The pool outlives it.
// Thread:  loop; `fetch` runs on a worker.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/loop/worker_pool.h"
#include "server/s3/signature.h"

namespace server {

class KeyKeeper {
 public:
  using Fetch = std::function<pipeline::Result<AwsKeys>()>;
  using Done = pipeline::UniqueFunction<void(pipeline::Result<AwsKeys>)>;

  KeyKeeper(pipeline::Loop& loop, pipeline::WorkerPool& pool, const pipeline::Clock& clock, Fetch fetch)
      : loop_(loop), pool_(pool), clock_(clock), fetch_(std::move(fetch)) {}

  void get(Done done);  // may answer inside the call
  // The store refused `keys`. True: others will be fetched, so trying again makes sense.
  bool distrust(const AwsKeys& keys);
  void stop();

 private:
  void refresh();
  void on_fetched(pipeline::Result<AwsKeys> keys);

  pipeline::Loop& loop_;
  pipeline::WorkerPool& pool_;
  const pipeline::Clock& clock_;
  const Fetch fetch_;
  std::optional<AwsKeys> keys_;
  std::chrono::milliseconds fetched_at_{0};
  std::optional<std::chrono::milliseconds> distrusted_at_;
  std::optional<pipeline::Error> trouble_;  // of the last fetch
  bool fetching_ = false;
  bool stopped_ = false;
  std::vector<Done> waiting_;
};

}  // namespace server
