// What the answer of a metric query depends on, as keys for the results cache: tenant, query, instants, the objects
// that hold entries of the tenant in the windows of these instants, requests to delete that are in force, and, where
// entries of the head lie in them, how far the head goes. Another object, a merge, a late push: another key. So a
// cached answer is as exact as a new one, and needs no expiry.
//
//   ResultKeys keys({tenant, text, expr}, grid, view);
//   keys.of(grid); keys.of(some of its instants);
//
// Life:    what it is made from outlives it.
// Thread:  any (immutable).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/base/hash.h"
#include "server/ingest/read_view.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

struct ResultKey {
  pipeline::Hash128 hash;
  // Nothing of the head is in it: other servers, and this one after a restart, come to the same key for the same
  // answer.
  bool may_be_shared = false;
};

struct ResultQuestion {
  std::string_view tenant;
  std::string_view text;  // of the query
  const Expr& expr;       // the same, understood
};

class ResultKeys {
 public:
  // `reach`: all instants of which keys are wanted.
  ResultKeys(const ResultQuestion& question, const StepGrid& reach, const ReadView& view);

  // False: the query reads no entries, there is nothing to save.
  bool any() const { return !ranges_.empty(); }
  // The longest range of an aggregation in it.
  int64_t longest_range_ns() const;
  // Of the answer at these instants. Nothing: entries of their windows are being erased while time goes on.
  std::optional<ResultKey> of(const StepGrid& grid) const;

 private:
  // Both ends count.
  struct Window {
    UnixNanos first = INT64_MAX, last = INT64_MIN;
    bool touches(UnixNanos min, UnixNanos max) const { return max >= first && min <= last; }
  };
  struct Object {
    std::string_view key;
    UnixNanos min_time, max_time;
  };
  // All that any range aggregation looks at, at any instant of `grid`.
  Window window_of(const StepGrid& grid) const;
  void note_head();
  bool head_touches(const Window& window) const;
  size_t cell_of(UnixNanos time) const;

  static constexpr size_t kCells = 1024;

  const ResultQuestion question_;
  const ReadView& view_;
  std::vector<const RangeAggregation*> ranges_;
  Window reach_;
  std::vector<Object> objects_;       // of the tenant, within reach, by key
  std::vector<uint32_t> head_until_;  // of each cell of the reach: how many cells up to it have entries of the head
};

}  // namespace server
