#include "server/logql/metric.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "pipeline/base/concat.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::concat;
using pipeline::fail;

double apply_operation(BinaryOp op, double left, double right) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  switch (op) {
    case BinaryOp::kAdd: return left + right;
    case BinaryOp::kSubtract: return left - right;
    case BinaryOp::kMultiply: return left * right;
    case BinaryOp::kDivide: return right == 0 ? kNone : left / right;
    case BinaryOp::kModulo: return right == 0 ? kNone : std::fmod(left, right);
    case BinaryOp::kPower: return std::pow(left, right);
    case BinaryOp::kEqual: return left == right;
    case BinaryOp::kNotEqual: return left != right;
    case BinaryOp::kLess: return left < right;
    case BinaryOp::kLessEqual: return left <= right;
    case BinaryOp::kGreater: return left > right;
    case BinaryOp::kGreaterEqual: return left >= right;
    case BinaryOp::kOr:
    case BinaryOp::kAnd:
    case BinaryOp::kUnless: break;
  }
  return kNone;
}

Matrix constant(double value, const StepGrid& grid) {
  Matrix out;
  Series& series = out.series.emplace_back();
  series.points.reserve(grid.count);
  for (uint32_t i = 0; i < grid.count; ++i) series.points.push_back({i, value});
  return out;
}

namespace {

// The labels of the group that a series belongs to.
LabelSet group_labels(const std::optional<Grouping>& grouping, const LabelSet& labels) {
  if (!grouping) return {};
  std::vector<pipeline::Label> kept;
  for (const pipeline::Label& label : labels.labels()) {
    const bool named =
        std::find(grouping->labels.begin(), grouping->labels.end(), label.first) != grouping->labels.end();
    if (grouping->without ? !named && label.first != "__name__" : named) kept.push_back(label);
  }
  return LabelSet::from(std::move(kept));
}

// One group at one step.
struct Accumulator {
  uint64_t count = 0;
  double value = 0;

  void add(VectorOp op, double next) {
    ++count;
    if (count == 1 && op != VectorOp::kCount) {
      value = next;
      return;
    }
    switch (op) {
      case VectorOp::kSum: value += next; break;
      case VectorOp::kCount: value = static_cast<double>(count); break;
      case VectorOp::kMax:
        if (next > value || std::isnan(value)) value = next;
        break;
      case VectorOp::kMin:
        if (next < value || std::isnan(value)) value = next;
        break;
      default: add_to_mean(next); break;
    }
  }

  // A running mean; an infinite one stays unless something of the other sign comes.
  void add_to_mean(double next) {
    if (std::isinf(value)) {
      if (std::isinf(next) && (value > 0) == (next > 0)) return;
      if (!std::isinf(next) && !std::isnan(next)) return;
    }
    const auto n = static_cast<double>(count);
    value += next / n - value / n;
  }
};

struct Group {
  LabelSet labels;
  std::vector<Accumulator> steps;
};

// One step of both: where the vector is and what the scalar is there.
double scalar_at(const Matrix& scalar, uint32_t step) { return scalar.series.front().points[step].value; }

}  // namespace

Matrix aggregate(const VectorAggregation& aggregation, const Matrix& inner, const StepGrid& grid) {
  std::vector<Group> groups;
  std::unordered_map<std::string, size_t> by_labels;
  for (const Series& series : inner.series) {
    LabelSet labels = group_labels(aggregation.grouping, series.labels);
    auto [at, is_new] = by_labels.try_emplace(labels.text(), groups.size());
    if (is_new) groups.push_back({std::move(labels), std::vector<Accumulator>(grid.count)});
    Group& group = groups[at->second];
    for (const Point& point : series.points) group.steps[point.step].add(aggregation.op, point.value);
  }
  Matrix out;
  for (Group& group : groups) {
    Series& series = out.series.emplace_back();
    series.labels = std::move(group.labels);
    for (uint32_t i = 0; i < grid.count; ++i)
      if (group.steps[i].count > 0) series.points.push_back({i, group.steps[i].value});
  }
  return out;
}

// Two vectors, series with equal labels matched one to one; what has no partner is left out.
Matrix combine_matched(const BinaryOperation& operation, const Matrix& left, const Matrix& right) {
  const bool filters = is_comparison(operation.op) && !operation.return_bool;
  std::map<LabelSet, const Series*> partners;
  for (const Series& series : right.series) partners.emplace(series.labels, &series);
  Matrix out;
  for (const Series& series : left.series) {
    const auto partner = partners.find(series.labels);
    if (partner == partners.end()) continue;
    Series made{series.labels, {}};
    auto other = partner->second->points.begin();
    const auto end = partner->second->points.end();
    for (const Point& point : series.points) {
      while (other != end && other->step < point.step) ++other;
      if (other == end) break;
      if (other->step != point.step) continue;
      const double value = apply_operation(operation.op, point.value, other->value);
      if (!filters) {
        made.points.push_back({point.step, value});
      } else if (value != 0) {
        made.points.push_back(point);
      }
    }
    if (!made.points.empty()) out.series.push_back(std::move(made));
  }
  return out;
}

Matrix combine(const BinaryOperation& operation, const Matrix& left, const Matrix& right) {
  if (!left.is_scalar && !right.is_scalar) return combine_matched(operation, left, right);
  const bool vector_is_left = !left.is_scalar;
  const Matrix& vector = vector_is_left ? left : right;
  const Matrix& scalar = vector_is_left ? right : left;
  const bool filters = is_comparison(operation.op) && !operation.return_bool && !vector.is_scalar;
  Matrix out;
  out.is_scalar = vector.is_scalar;
  for (const Series& series : vector.series) {
    Series made;
    made.points.reserve(series.points.size());
    for (const Point& point : series.points) {
      const double other = scalar_at(scalar, point.step);
      const double value = vector_is_left ? apply_operation(operation.op, point.value, other)
                                          : apply_operation(operation.op, other, point.value);
      if (!filters) {
        made.points.push_back({point.step, value});
      } else if (value != 0) {
        made.points.push_back(point);
      }
    }
    if (made.points.empty()) continue;
    made.labels = series.labels;
    out.series.push_back(std::move(made));
  }
  return out;
}

namespace {

class Evaluation {
 public:
  Evaluation(const StepGrid& grid, RangeSource& source) : grid_(grid), source_(source) {}

  Result<Matrix> operator()(const LogExpr&) { return fail(pipeline::Errc::kInvalid, "a log query has no values"); }
  Result<Matrix> operator()(const RangeAggregation& range) {
    return source_.read(range, label_use(outer_, range), grid_);
  }
  Result<Matrix> operator()(const Literal& literal) {
    Matrix out = constant(literal.value, grid_);
    out.is_scalar = true;
    return out;
  }
  Result<Matrix> operator()(const VectorLiteral& literal) { return constant(literal.value, grid_); }
  Result<Matrix> operator()(const VectorAggregation& vector) {
    outer_ = &vector;
    TRY_LET(const Matrix inner, std::visit(*this, vector.inner->node));
    return aggregate(vector, inner, grid_);
  }
  Result<Matrix> operator()(const BinaryOperation& binary) {
    outer_ = nullptr;
    TRY_LET(const Matrix left, std::visit(*this, binary.left->node));
    outer_ = nullptr;
    TRY_LET(const Matrix right, std::visit(*this, binary.right->node));
    return combine(binary, left, right);
  }
  Result<Matrix> operator()(const LabelReplace&) {
    return fail(pipeline::Errc::kInvalid, "not supported yet: label_replace");
  }

 private:
  const StepGrid& grid_;
  RangeSource& source_;
  const VectorAggregation* outer_ = nullptr;  // right above what is being evaluated
};

}  // namespace

Result<Matrix> evaluate_metric(const Expr& expr, const StepGrid& grid, RangeSource& source) {
  TRY(check_supported(expr));
  return std::visit(Evaluation(grid, source), expr.node);
}

}  // namespace server
