// Result pieces: the instants of a metric query, cut at times that depend on nothing but its step. A range that moves
// on, as that of a dashboard does, has nearly all of its pieces in common with the one before.
//
//   instants   . . .|. . . . . .|. . . . . .|. . .
//   pieces     ^^^^^ ^^^^^^^^^^^ ^^^^^^^^^^^ ^^^^^
//
// Thread: any.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "pipeline/base/hash.h"
#include "server/logql/matrix.h"

namespace server {

struct ResultCut {
  int64_t least_ns = 900'000'000'000;  // a piece is no shorter than that,
  uint32_t least_steps = 32;           // and has no fewer instants: so a long range has some hundred pieces at most
};

struct ResultPiece {
  uint32_t begin = 0, end = 0;  // steps of the question
  StepGrid own;                 // these instants
  // All instants between the two cuts, where these are not all: what was found for them holds these too.
  std::optional<StepGrid> whole;
  uint32_t skipped = 0;  // instants of `whole` before the first of `own`
};

// In order, together all of `grid`. One piece, if no whole one would be among them.
std::vector<ResultPiece> cut_result(const StepGrid& grid, const ResultCut& cut);

// The steps [begin, end) of `matrix`, counted from `begin` on; series without points there are left out.
Matrix part_of(const Matrix& matrix, uint32_t begin, uint32_t end);

// One matrix of those of pieces, series with equal labels joined. Thread: one.
class MatrixJoin {
 public:
  // The first step of `part` is `begin` of the whole; parts come in order of time.
  void add(Matrix part, uint32_t begin);
  uint64_t size_bytes() const { return bytes_; }
  size_t series_count() const { return matrix_.series.size(); }
  Matrix take() { return std::move(matrix_); }

 private:
  Matrix matrix_;
  std::unordered_map<pipeline::Hash128, size_t> by_labels_;
  uint64_t bytes_ = 0;
};

}  // namespace server
