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

constexpr std::string_view kVersion = "answer 2";  // raise it when the same question gets other answers

UnixNanos minus(UnixNanos time, int64_t duration) {
  UnixNanos out = 0;
  if (!__builtin_sub_overflow(time, duration, &out)) return out;
  return duration > 0 ? INT64_MIN : INT64_MAX;
}

// Length before text: no two lists of texts look the same.
void add(std::string& out, std::string_view text) { out += concat(text.size(), ":", text, "\n"); }

}  // namespace

ResultKeys::ResultKeys(const ResultQuestion& question, const StepGrid& reach, const ReadView& view)
    : question_(question), view_(view), ranges_(range_aggregations(question.expr)), reach_(window_of(reach)) {
  if (!any()) return;
  for (const ObjectRow& row : view.objects->objects) {
    if (reach_.touches(row.summary.min_time, row.summary.max_time) && holds_tenant(row.summary, question.tenant))
      objects_.push_back({row.key, row.summary.min_time, row.summary.max_time});
  }
  std::sort(objects_.begin(), objects_.end(), [](const Object& a, const Object& b) { return a.key < b.key; });
  note_head();
}

int64_t ResultKeys::longest_range_ns() const {
  int64_t longest = 0;
  for (const RangeAggregation* aggregation : ranges_) longest = std::max(longest, aggregation->range.range_ns);
  return longest;
}

ResultKeys::Window ResultKeys::window_of(const StepGrid& grid) const {
  Window window;
  for (const RangeAggregation* aggregation : ranges_) {
    const LogRange& range = aggregation->range;
    window.first = std::min(window.first, minus(minus(grid.start, range.offset_ns), range.range_ns));
    window.last = std::max(window.last, minus(grid.at(grid.count - 1), range.offset_ns));
  }
  return window;
}

size_t ResultKeys::cell_of(UnixNanos time) const {
  const auto all = static_cast<uint64_t>(reach_.last) - static_cast<uint64_t>(reach_.first);
  const auto part = static_cast<uint64_t>(time) - static_cast<uint64_t>(reach_.first);
  return static_cast<size_t>(part / (all / kCells + 1));
}

// The head may have a run for each of many streams, and a question many pieces: which times have entries is noted once,
// a little too coarsely.
void ResultKeys::note_head() {
  std::vector<int32_t> begins(kCells + 1);  // runs that begin in a cell, less those that ended before it
  for (const HeadPiece& piece : view_.head.pieces)
    for (const HeadStream& stream : *piece.streams)
      for (const HeadRun& run : stream.runs) {
        if (!reach_.touches(run.min_time, run.max_time)) continue;
        ++begins[cell_of(std::max(run.min_time, reach_.first))];
        --begins[cell_of(std::min(run.max_time, reach_.last)) + 1];
      }
  int32_t runs = 0;
  uint32_t cells = 0;
  for (size_t cell = 0; cell < kCells; ++cell) {
    runs += begins[cell];
    cells += runs > 0;
    head_until_.push_back(cells);
  }
}

bool ResultKeys::head_touches(const Window& window) const {
  const size_t first = cell_of(std::max(window.first, reach_.first)),
               last = cell_of(std::min(window.last, reach_.last));
  return head_until_[last] > (first == 0 ? 0 : head_until_[first - 1]);
}

std::optional<ResultKey> ResultKeys::of(const StepGrid& grid) const {
  const Window window = window_of(grid);
  // What is past its retention is out of the answer from one moment to the next.
  if (view_.erasures != nullptr && window.first < view_.erasures->newest()) return std::nullopt;
  std::string all(kVersion);
  add(all, question_.tenant);
  add(all, question_.text);
  all += concat(grid.start, " ", grid.step_ns, " ", grid.count, "\n");
  for (const Object& object : objects_)
    if (window.touches(object.min_time, object.max_time)) add(all, object.key);
  if (view_.erasures != nullptr)
    for (const DeleteRule& rule : view_.erasures->deletes()) all += concat("without ", rule.number, "\n");
  const bool head = head_touches(window);
  if (head) all += concat("head ", view_.last_frame(), "\n");
  return ResultKey{pipeline::hash128(all), !head};
}

}  // namespace server
