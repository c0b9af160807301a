// SplitNumbers: under which numbers the halves of batches travel that a server found too large: written to the store
// before a half is first sent. After a crash the whole, built again, is cut the same way and its halves keep their
// numbers, so a server that has one of them does not store it twice.
//
// In the store: cursor KEY "epoch/seq" of the whole, text "epoch/seq epoch/seq" of its halves, under a name that no
// source has.
// Life:   the store outlives it.
// Thread: loop, but for `done` of add(): the store's worker.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/checkpoint/checkpoint_store.h"

namespace agent {

class SplitNumbers {
 public:
  using Halves = std::pair<BatchNumber, BatchNumber>;

  SplitNumbers(CheckpointStore& store, const std::string& sink);

  std::optional<Halves> find(BatchNumber whole) const;
  void add(BatchNumber whole, const Halves& halves, CheckpointStore::Done done);
  // The whole will not be sent any more, nor what came of it: after its ack, which is given to the store here.
  void settled(BatchNumber whole);

 private:
  void forget(BatchNumber whole);

  CheckpointStore& store_;
  const std::string sink_, name_;
  std::map<BatchNumber, Halves> halves_;
};

}  // namespace agent
