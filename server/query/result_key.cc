#include "server/query/result_key.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/erase/erasures.h"
#include "server/logql/metric.h"
#include "server/query/selection.h"

namespace server {

using pipeline::concat;
using pipeline::UnixNanos;

namespace {

constexpr std::string_view kVersion = "answer 1";  // raise it when the same question gets other answers

UnixNanos minus(UnixNanos time, int64_t duration) {
  UnixNanos out = 0;
  if (!__builtin_sub_overflow(time, duration, &out)) return out;
  return duration > 0 ? INT64_MIN : INT64_MAX;
}

struct Window {
  UnixNanos first = INT64_MAX, last = INT64_MIN;  // both ends count
  bool touches(UnixNanos min, UnixNanos max) const { return max >= first && min <= last; }
};

// All that any range aggregation looks at, at any instant.
Window window_of(const Expr& expr, const StepGrid& grid) {
  Window window;
  for (const RangeAggregation* aggregation : range_aggregations(expr)) {
    const LogRange& range = aggregation->range;
    window.first = std::min(window.first, minus(minus(grid.start, range.offset_ns), range.range_ns));
    window.last = std::max(window.last, minus(grid.at(grid.count - 1), range.offset_ns));
  }
  return window;
}

bool head_touches(const HeadSnapshot& head, const Window& window) {
  for (const HeadPiece& piece : head.pieces)
    for (const HeadStream& stream : piece.streams)
      for (const HeadRun& run : stream.runs)
        if (window.touches(run.min_time, run.max_time)) return true;
  return false;
}

// Length before text: no two lists of texts look the same.
void add(std::string& out, std::string_view text) { out += concat(text.size(), ":", text, "\n"); }

}  // namespace

std::optional<ResultKey> result_key(const ResultQuestion& question, const ReadView& view) {
  if (range_aggregations(question.expr).empty()) return std::nullopt;
  const StepGrid& grid = question.grid;
  const Window window = window_of(question.expr, grid);
  // What is past its retention is out of the answer from one moment to the next.
  if (view.erasures != nullptr && window.first < view.erasures->newest()) return std::nullopt;
  std::vector<std::string_view> objects;
  for (const ObjectRow& row : view.objects->objects) {
    if (window.touches(row.summary.min_time, row.summary.max_time) && holds_tenant(row.summary, question.tenant))
      objects.push_back(row.key);
  }
  std::sort(objects.begin(), objects.end());
  const bool head = head_touches(view.head, window);
  std::string all(kVersion);
  add(all, question.tenant);
  add(all, question.text);
  all += concat(grid.start, " ", grid.step_ns, " ", grid.count, "\n");
  for (std::string_view object : objects) add(all, object);
  if (view.erasures != nullptr)
    for (const DeleteRule& rule : view.erasures->deletes()) all += concat("without ", rule.number, "\n");
  if (head) all += concat("head ", view.last_frame(), "\n");
  return ResultKey{pipeline::hash128(all), !head};
}

}  // namespace server
