#include "server/query/cached_metric.h"

#include <algorithm>

#include "server/logql/metric.h"
#include "server/query/metric_query.h"
#include "server/query/result_codec.h"

namespace server {

using pipeline::Result;

namespace {

// A piece and what is known of it.
struct Answered {
  ResultPiece piece;
  std::optional<ResultKey> key;  // under which it is kept
  std::optional<Matrix> found;
};

class CachedRead {
 public:
  CachedRead(const ResultKeys& keys, const Expr& expr, ResultCache& cache, const CachedMetricOptions& options,
             QueryContext& context)
      : keys_(keys), expr_(expr), cache_(cache), options_(options), context_(context) {}

  Result<Matrix> run(const StepGrid& grid, std::vector<ResultPiece> pieces) {
    for (ResultPiece& piece : pieces) pieces_.push_back(ask(std::move(piece)));
    if (pieces_.size() == 1 && pieces_.front().found) return *std::move(pieces_.front().found);
    MatrixJoin join;
    MemoryUse memory(context_.memory, "the answer");
    for (size_t first = 0; first < pieces_.size();) {
      const size_t last = missing_until(first, grid.step_ns);
      const uint32_t begin = pieces_[first].piece.begin;
      if (last == first) {
        join.add(*std::move(pieces_[first++].found), begin);
      } else {
        const StepGrid part{grid.at(begin), grid.step_ns, pieces_[last - 1].piece.end - begin};
        TRY_LET(Matrix matrix, read_metric(expr_, part, context_));
        keep(matrix, first, last);
        if (first == 0 && last == pieces_.size()) return matrix;
        join.add(std::move(matrix), begin);
        first = last;
      }
      TRY(memory.hold(join.size_bytes(), join.series_count()));
    }
    Matrix matrix = join.take();
    matrix.sort();
    return matrix;
  }

 private:
  Answered ask(ResultPiece piece) {
    Answered out{std::move(piece), std::nullopt, std::nullopt};
    const StepGrid& own = out.piece.own;
    if (own.at(own.count - 1) > options_.fresh_from) return out;
    out.key = keys_.of(own);
    if (!out.key) return out;
    ++context_.stats.results_asked;
    out.found = find(*out.key, own);
    if (out.found || !out.piece.whole) return out;
    if (auto key = keys_.of(*out.piece.whole)) {
      if (auto whole = find(*key, *out.piece.whole))
        out.found = part_of(*whole, out.piece.skipped, out.piece.skipped + own.count);
    }
    return out;
  }

  std::optional<Matrix> find(const ResultKey& key, const StepGrid& grid) {
    CachedText text = cache_.find(key.hash, key.may_be_shared);
    if (!text) return std::nullopt;
    auto matrix = decode_matrix(*text, grid.count);
    if (!matrix) return std::nullopt;
    ++context_.stats.results_found;
    context_.stats.results_bytes += text->size();
    return matrix;
  }

  // From `first` on, which may be found (then it is `first`), as many as are read together: what lies between two
  // missing ones is read too, if reading the second alone would read as much again, because its windows reach back.
  size_t missing_until(size_t first, int64_t step_ns) const {
    size_t until = first;
    for (size_t i = first; i < pieces_.size(); ++i) {
      if (!pieces_[i].found) {
        until = i + 1;
      } else if (until == first ||
                 int64_t{pieces_[i].piece.end - pieces_[until].piece.begin} * step_ns >= keys_.longest_range_ns()) {
        break;
      }
    }
    return until;
  }

  void keep(const Matrix& matrix, size_t first, size_t last) {
    const bool whole = context_.warnings.empty() && context_.view.incomplete.empty();
    if (!whole || (options_.max_series != 0 && matrix.series.size() > options_.max_series)) return;
    const uint32_t begin = pieces_[first].piece.begin;
    for (size_t i = first; i < last; ++i) {
      const Answered& piece = pieces_[i];
      if (!piece.key || piece.found) continue;
      std::string bytes = last - first == 1
                              ? encode_matrix(matrix)
                              : encode_matrix(part_of(matrix, piece.piece.begin - begin, piece.piece.end - begin));
      cache_.put(piece.key->hash, std::move(bytes), piece.key->may_be_shared);
      ++context_.stats.results_kept;
    }
  }

  const ResultKeys& keys_;
  const Expr& expr_;
  ResultCache& cache_;
  const CachedMetricOptions& options_;
  QueryContext& context_;
  std::vector<Answered> pieces_;
};

// From the first cut to the last one around the pieces.
StepGrid reach_of(const std::vector<ResultPiece>& pieces) {
  StepGrid reach = pieces.front().whole.value_or(pieces.front().own);
  const StepGrid last = pieces.back().whole.value_or(pieces.back().own);
  reach.count = static_cast<uint32_t>((last.at(last.count - 1) - reach.start) / reach.step_ns) + 1;
  return reach;
}

}  // namespace

Result<Matrix> read_metric(const Expr& expr, const StepGrid& grid, QueryContext& context) {
  StoredRangeSource source(context);
  TRY_LET(Matrix matrix, evaluate_metric(expr, grid, source));
  if (grid.count > 1 || !keeps_order(expr)) matrix.sort();
  return matrix;
}

Result<Matrix> cached_metric(const ResultQuestion& question, const StepGrid& grid, ResultCache& cache,
                             const CachedMetricOptions& options, QueryContext& context) {
  std::vector<ResultPiece> pieces = cut_result(grid, options.cut);
  const ResultKeys keys(question, reach_of(pieces), context.view);
  if (!keys.any()) return read_metric(question.expr, grid, context);
  return CachedRead(keys, question.expr, cache, options, context).run(grid, std::move(pieces));
}

}  // namespace server
