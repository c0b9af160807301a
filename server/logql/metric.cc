#include "server/logql/metric.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "server/logql/binary_operation.h"
#include "server/logql/label_replacement.h"
#include "server/logql/parser.h"
#include "server/logql/vector_aggregation.h"

namespace server {

using pipeline::fail;

Matrix constant(double value, const StepGrid& grid) {
  Matrix out;
  Series& series = out.series.emplace_back();
  series.points.reserve(grid.count);
  for (uint32_t i = 0; i < grid.count; ++i) series.points.push_back({i, value});
  return out;
}

bool keeps_order(const Expr& expr) {
  if (const auto* vector = std::get_if<VectorAggregation>(&expr.node))
    return vector->op == VectorOp::kSort || vector->op == VectorOp::kSortDesc || keeps_order(*vector->inner);
  if (const auto* binary = std::get_if<BinaryOperation>(&expr.node))
    return keeps_order(*binary->left) || keeps_order(*binary->right);
  if (const auto* replace = std::get_if<LabelReplace>(&expr.node)) return keeps_order(*replace->inner);
  return false;
}

std::vector<const RangeAggregation*> range_aggregations(const Expr& expr) {
  if (const auto* range = std::get_if<RangeAggregation>(&expr.node)) return {range};
  if (const auto* vector = std::get_if<VectorAggregation>(&expr.node)) return range_aggregations(*vector->inner);
  if (const auto* replace = std::get_if<LabelReplace>(&expr.node)) return range_aggregations(*replace->inner);
  const auto* binary = std::get_if<BinaryOperation>(&expr.node);
  if (!binary) return {};
  auto out = range_aggregations(*binary->left);
  const auto right = range_aggregations(*binary->right);
  out.insert(out.end(), right.begin(), right.end());
  return out;
}

LabelSet absent_labels(const Selector& selector) {
  LabelSet out;
  std::set<std::string_view> seen;
  for (const LabelMatcher& matcher : selector.matchers) {
    const bool names_value = matcher.op == MatchOp::kEqual && seen.insert(matcher.name).second;
    out = names_value ? out.with(matcher.name, matcher.value) : out.without(matcher.name);
  }
  return out;
}

namespace {

// What is held: an answer, or two vectors that wait for each other.
class HeldMatrix final : public SeriesSink {
 public:
  HeldMatrix(RangeSource& source, std::string_view holder) : memory_(source.memory(std::string(holder))) {}

  Result<void> add(Series series) override {
    bytes_ += labels_bytes(series.labels) + series.points.capacity() * sizeof(Point);
    matrix.series.push_back(std::move(series));
    return memory_->hold(bytes_, matrix.series.size());
  }
  Matrix matrix;

 private:
  std::unique_ptr<WorkingMemory> memory_;
  uint64_t bytes_ = 0;
};

class Evaluation {
 public:
  Evaluation(const StepGrid& grid, RangeSource& source) : grid_(grid), source_(source) {}

  // `outer`: what is right above.
  Result<void> run(const Expr& expr, const VectorAggregation* outer, SeriesSink& sink) {
    return std::visit([&](const auto& node) { return run(node, outer, sink); }, expr.node);
  }

 private:
  Result<void> run(const LogExpr&, const VectorAggregation*, SeriesSink&) {
    return fail(pipeline::Errc::kInvalid, "a log query has no values");
  }

  Result<void> run(const RangeAggregation& range, const VectorAggregation* outer, SeriesSink& sink) {
    if (range.op == RangeOp::kAbsentOverTime) return run_absent(range, sink);
    return source_.read(range, label_use(outer, range), grid_, sink);
  }

  Result<void> run_absent(const RangeAggregation& range, SeriesSink& sink) {
    MatrixSink present;
    TRY(source_.read(range, label_use(nullptr, range), grid_, present));
    std::vector<bool> steps(grid_.count);
    for (const Series& series : present.matrix.series)
      for (const Point& point : series.points) steps[point.step] = true;
    Series absent{absent_labels(range.range.log.selector), {}};
    for (uint32_t i = 0; i < grid_.count; ++i)
      if (!steps[i]) absent.points.push_back({i, 1});
    return absent.points.empty() ? Result<void>() : sink.add(std::move(absent));
  }

  Result<void> run(const Literal& literal, const VectorAggregation*, SeriesSink& sink) {
    return sink.add(std::move(constant(literal.value, grid_).series.front()));
  }
  Result<void> run(const VectorLiteral& literal, const VectorAggregation*, SeriesSink& sink) {
    return sink.add(std::move(constant(literal.value, grid_).series.front()));
  }

  Result<void> run(const VectorAggregation& vector, const VectorAggregation*, SeriesSink& sink) {
    const auto aggregator =
        VectorAggregator::create(vector, grid_, source_.memory(std::string(vector_op_text(vector.op))));
    TRY(run(*vector.inner, &vector, *aggregator));
    return aggregator->finish(sink);
  }

  Result<void> run(const LabelReplace& replace, const VectorAggregation*, SeriesSink& sink) {
    TRY_LET(LabelReplacement replacement, LabelReplacement::create(replace, sink));
    return run(*replace.inner, nullptr, replacement);
  }

  Result<void> run(const BinaryOperation& binary, const VectorAggregation*, SeriesSink& sink) {
    const std::string_view name = binary_op_text(binary.op);
    HeldMatrix left(source_, name), right(source_, name);
    TRY(run(*binary.left, nullptr, left));
    TRY(run(*binary.right, nullptr, right));
    left.matrix.is_scalar = std::holds_alternative<Literal>(binary.left->node);
    right.matrix.is_scalar = std::holds_alternative<Literal>(binary.right->node);
    TRY_LET(Matrix made, combine(binary, std::move(left.matrix), std::move(right.matrix)));
    for (Series& series : made.series) TRY(sink.add(std::move(series)));
    return {};
  }

  const StepGrid& grid_;
  RangeSource& source_;
};

// What is on top, as the query writes it.
std::string_view name_of(const Expr& expr) {
  if (const auto* range = std::get_if<RangeAggregation>(&expr.node)) return range_op_text(range->op);
  if (const auto* vector = std::get_if<VectorAggregation>(&expr.node)) return vector_op_text(vector->op);
  if (const auto* binary = std::get_if<BinaryOperation>(&expr.node)) return binary_op_text(binary->op);
  return std::holds_alternative<LabelReplace>(expr.node) ? "label_replace" : "vector";
}

// One series for each set of labels: `or` may take a set from its left side at some steps and from its right at others.
void join_equal(Matrix& matrix) {
  std::unordered_map<pipeline::Hash128, size_t> by_labels;
  std::vector<Series> joined;
  for (Series& series : matrix.series) {
    auto [at, is_new] = by_labels.try_emplace(labels_key(series.labels), joined.size());
    if (is_new) {
      joined.push_back(std::move(series));
      continue;
    }
    std::vector<Point>& points = joined[at->second].points;
    points.insert(points.end(), series.points.begin(), series.points.end());
    std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.step < b.step; });
  }
  matrix.series = std::move(joined);
}

}  // namespace

Result<Matrix> evaluate_metric(const Expr& expr, const StepGrid& grid, RangeSource& source) {
  HeldMatrix sink(source, name_of(expr));
  TRY(Evaluation(grid, source).run(expr, nullptr, sink));
  if (grid.count > 1) join_equal(sink.matrix);
  sink.matrix.is_scalar = std::holds_alternative<Literal>(expr.node);
  return std::move(sink.matrix);
}

}  // namespace server
