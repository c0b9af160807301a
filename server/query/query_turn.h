// QueryTurn: whether a query may go on, and with how many threads. Whoever reads pages for a query asks between two of
// them.
//
// Thread:  one at a time: each thread that works for a query has a QueryTurn of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "pipeline/base/result.h"

namespace server {

class QueryTurn {
 public:
  virtual ~QueryTurn() = default;

  // Call it at least every few milliseconds of work. Waits while others are to go first. kCancelled: the client went
  // away.
  virtual pipeline::Result<void> breathe() = 0;

  // Within a page, between two rows of many: others may come before here, too. Cheap, but for each row.
  virtual void pause() = 0;
  static constexpr size_t kRowsUntilPause = 32;  // some 10 us of work

  // How many parts of this query may run at once.
  virtual size_t width() const = 0;

  using Part = std::function<void(size_t index, QueryTurn& turn)>;
  // Calls `part` once for each index below `count`, at most width() at once, this thread among them; returns when all
  // have returned.
  virtual void run_parts(size_t count, const Part& part) = 0;

  // Time spent waiting for others, before the first step and since.
  virtual double waited_seconds() const = 0;
};

// Of a query that shares with nobody: tests and tools.
class LoneTurn final : public QueryTurn {
 public:
  explicit LoneTurn(const std::atomic<bool>& cancelled) : cancelled_(cancelled) {}
  pipeline::Result<void> breathe() override {
    if (!cancelled_.load(std::memory_order_relaxed)) return {};
    return pipeline::fail(pipeline::Errc::kCancelled, "the request was cancelled by the client");
  }
  void pause() override {}
  size_t width() const override { return 1; }
  void run_parts(size_t count, const Part& part) override {
    for (size_t i = 0; i < count; ++i) part(i, *this);
  }
  double waited_seconds() const override { return 0; }

 private:
  const std::atomic<bool>& cancelled_;
};

}  // namespace server
