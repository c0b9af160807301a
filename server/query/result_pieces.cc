#include "server/query/result_pieces.h"

#include <algorithm>
#include <iterator>

#include "server/logql/vector_aggregation.h"

namespace server {

namespace {

// Times beyond are nobody's; within, no sum of two overflows.
constexpr UnixNanos kFarthest = INT64_MAX / 4;

bool is_near(const StepGrid& grid) {
  return grid.start > -kFarthest && grid.step_ns < kFarthest && grid.step_ns <= kFarthest / grid.count &&
         grid.at(grid.count - 1) < kFarthest;
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

std::vector<ResultPiece> cut_result(const StepGrid& grid, const ResultCut& cut) {
  const std::vector<ResultPiece> uncut = {{0, grid.count, grid, std::nullopt, 0}};
  if (grid.count <= cut.least_steps || !is_near(grid)) return uncut;
  const int64_t needed = (cut.least_ns + grid.step_ns - 1) / grid.step_ns;
  if (needed >= grid.count) return uncut;
  const uint32_t steps = std::max(cut.least_steps, static_cast<uint32_t>(needed));  // of a whole piece
  const int64_t first = floor_divide(grid.start, grid.step_ns);
  const auto offset = static_cast<uint32_t>(first - floor_divide(first, steps) * steps);  // of the grid in its piece

  std::vector<ResultPiece> pieces;
  bool any_whole = false;
  for (uint32_t begin = 0, skipped = offset; begin < grid.count; skipped = 0) {
    const uint32_t end = std::min(grid.count, begin + (steps - skipped));
    ResultPiece& piece = pieces.emplace_back();
    piece.begin = begin, piece.end = end, piece.skipped = skipped;
    piece.own = {grid.at(begin), grid.step_ns, end - begin};
    const bool whole = end - begin == steps;
    if (!whole) piece.whole = {grid.at(begin) - int64_t{skipped} * grid.step_ns, grid.step_ns, steps};
    any_whole |= whole;
    begin = end;
  }
  return any_whole ? pieces : uncut;
}

Matrix part_of(const Matrix& matrix, uint32_t begin, uint32_t end) {
  Matrix out;
  out.is_scalar = matrix.is_scalar;
  auto before = [](const Point& point, uint32_t step) { return point.step < step; };
  for (const Series& series : matrix.series) {
    const auto first = std::lower_bound(series.points.begin(), series.points.end(), begin, before);
    const auto last = std::lower_bound(first, series.points.end(), end, before);
    if (first == last) continue;
    Series& part = out.series.emplace_back(Series{series.labels, {first, last}});
    for (Point& point : part.points) point.step -= begin;
  }
  return out;
}

void MatrixJoin::add(Matrix part, uint32_t begin) {
  matrix_.is_scalar |= part.is_scalar;
  for (Series& series : part.series) {
    for (Point& point : series.points) point.step += begin;
    bytes_ += series.points.size() * sizeof(Point);
    auto [at, is_new] = by_labels_.try_emplace(labels_key(series.labels), matrix_.series.size());
    if (is_new) {
      bytes_ += labels_bytes(series.labels);
      matrix_.series.push_back(std::move(series));
      continue;
    }
    std::vector<Point>& points = matrix_.series[at->second].points;
    points.insert(points.end(), series.points.begin(), series.points.end());
  }
}

}  // namespace server
