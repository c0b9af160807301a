// BatchNumbers: which numbered batches are stored or on their way, so that each is stored once.
//
// Thread:  any; waiters are called outside the lock, by the thread that calls finish().
// Limits:  a few dozen bytes per producer epoch and per gap in its numbers; epochs without use are forgotten by the
//          catalogue and here at the next start.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/base/unique_function.h"
#include "server/ingest/batch_number.h"
#include "server/ingest/batch_ranges.h"
#include "server/ingest/push_answer.h"
#include "server/store/object_writer.h"

namespace server {

class BatchNumbers {
 public:
  using Waiter = pipeline::UniqueFunction<void(const PushAnswer&)>;
  enum class Claim {
    kFirst,    // the caller stores it and calls finish(); `waiter` was not taken
    kStored,   // nothing to do; `waiter` was not taken
    kWaiting,  // another copy is on its way; `waiter` was taken and will be called once
  };

  void add_stored(std::span<const ProducerRange> ranges);  // at the start, from the catalogue
  void add_stored(std::string_view tenant, const BatchNumber& number);
  bool is_stored(std::string_view tenant, const BatchNumber& number) const;

  Claim claim(std::string_view tenant, const BatchNumber& number, Waiter& waiter);
  // Ends a first claim. Every copy that waits gets the same answer.
  void finish(std::string_view tenant, const BatchNumber& number, const PushAnswer& answer);

 private:
  using Epoch = std::tuple<std::string, pipeline::Hash128, uint64_t>;  // tenant, producer, epoch
  using Key = std::pair<std::string, BatchNumber>;

  mutable std::mutex mutex_;
  std::map<Epoch, BatchRanges> stored_;              // under mutex_
  std::map<Key, std::vector<Waiter>> on_their_way_;  // under mutex_
};

}  // namespace server
