// LimitedTurn: a turn that ends at a deadline (query_timeout), and with fewer threads than there are
// (max_query_parallelism).
//
// Thread: as the turn it stands before, which outlives it. Errors: kCancelled with kQueryTimedOut (HTTP 504).
#pragma once

#include <algorithm>
#include <string_view>

#include "pipeline/base/clock.h"
#include "server/query/query_turn.h"

namespace server {

// Loki's text.
inline constexpr std::string_view kQueryTimedOut =
    "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex "
    "match) to reduce the amount of data processed";

class LimitedTurn final : public QueryTurn {
 public:
  // `deadline`: of clock.monotonic(); zero: none.
  LimitedTurn(QueryTurn& turn, const pipeline::Clock& clock, std::chrono::nanoseconds deadline, size_t width)
      : turn_(turn), clock_(clock), deadline_(deadline), width_(std::max<size_t>(width, 1)) {}

  pipeline::Result<void> breathe() override {
    TRY(turn_.breathe());
    if (deadline_.count() == 0 || clock_.monotonic() < deadline_) return {};
    return pipeline::fail(pipeline::Errc::kCancelled, std::string(kQueryTimedOut));
  }
  void pause() override { turn_.pause(); }
  size_t width() const override { return std::min(turn_.width(), width_); }
  // With `width` parts or fewer no more than that run at once; callers cut their work into width() parts.
  void run_parts(size_t count, const Part& part) override {
    turn_.run_parts(count, [&](size_t index, QueryTurn& turn) {
      LimitedTurn limited(turn, clock_, deadline_, width_);
      part(index, limited);
    });
  }
  double waited_seconds() const override { return turn_.waited_seconds(); }

 private:
  QueryTurn& turn_;
  const pipeline::Clock& clock_;
  const std::chrono::nanoseconds deadline_;
  const size_t width_;
};

}  // namespace server
