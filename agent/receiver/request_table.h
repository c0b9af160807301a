// RequestTable: requests by their identity, so that one that is sent again while it is under way, or after it was
// settled, is not taken twice.
//
// The identity is the number of a Skidway agent (X-Skidway-Batch), else a hash of the whole request where a repetition
// gives equal entries anyway. Numbers settled in this run are remembered, the last kRemembered of them; beyond that,
// and after a restart, a repetition is taken again: its entries are equal to those of before, and the server stores
// equal entries once.
//
// Thread:  one (the loop).
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pipeline/base/hash.h"
#include "pipeline/http/http_server.h"

namespace agent {

// One request under way, and everybody who waits for its answer.
struct UnderwayRequest {
  struct Waiter {
    pipeline::HttpResponder responder;
    std::chrono::nanoseconds until;  // then it is told to come again
  };
  std::optional<pipeline::Hash128> identity;
  bool numbered = false;
  pipeline::HttpRequest request;  // its head; the body is given away
  std::vector<Waiter> waiters;
};

class RequestTable {
 public:
  static constexpr size_t kRemembered = 16'384;  // about 1 MiB
  static constexpr size_t kMaxUnderway = 16'384;
  using RequestPtr = std::shared_ptr<UnderwayRequest>;

  enum class Seen { kNew, kUnderway, kSettled };
  // kUnderway: `found` is it.
  Seen look(const pipeline::Hash128& identity, RequestPtr& found) const;

  void begin(const RequestPtr& request);
  // It is under way no more. `settled`: a number that was settled is remembered.
  void end(const RequestPtr& request, bool settled);

  size_t underway() const { return underway_.size(); }
  const std::unordered_set<RequestPtr>& all() const { return underway_; }

 private:
  struct HashOf {
    size_t operator()(const pipeline::Hash128& hash) const { return hash.low; }
  };
  std::unordered_set<RequestPtr> underway_;
  std::unordered_map<pipeline::Hash128, RequestPtr, HashOf> by_identity_;
  std::unordered_set<pipeline::Hash128, HashOf> settled_;
  std::deque<pipeline::Hash128> settled_order_;
};

}  // namespace agent
