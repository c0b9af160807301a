#include "server/logql/binary_operation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "pipeline/base/concat.h"
#include "server/logql/vector_aggregation.h"

namespace server {

using pipeline::Result;

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

namespace {

using Cardinality = VectorMatching::Cardinality;

bool filters(const BinaryOperation& operation) { return is_comparison(operation.op) && !operation.return_bool; }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The series of both sides with one match key.
struct Match {
  std::vector<Series*> left, right;
};

// What two series are matched by.
LabelSet match_labels(const VectorMatching& matching, const LabelSet& labels) {
  std::vector<pipeline::Label> kept;
  for (const pipeline::Label& label : labels.labels())
    if (contains(matching.labels, label.first) == matching.on) kept.push_back(label);
  return LabelSet::from(std::move(kept));
}

// In the order in which the left side has them, then the right side.
std::vector<Match> match(const VectorMatching& matching, Matrix& left, Matrix& right) {
  std::vector<Match> out;
  std::unordered_map<pipeline::Hash128, size_t> by_key;
  auto place = [&](const LabelSet& labels) -> Match& {
    auto [at, is_new] = by_key.try_emplace(labels_key(match_labels(matching, labels)), out.size());
    if (is_new) out.emplace_back();
    return out[at->second];
  };
  for (Series& series : left.series) place(series.labels).left.push_back(&series);
  for (Series& series : right.series) place(series.labels).right.push_back(&series);
  return out;
}

// The steps at which one of these series has a point.
std::vector<bool> steps_of(const std::vector<Series*>& all) {
  std::vector<bool> out;
  for (const Series* series : all) {
    for (const Point& point : series->points) {
      if (point.step >= out.size()) out.resize(point.step + size_t{1});
      out[point.step] = true;
    }
  }
  return out;
}

void keep_points(Series& series, const std::vector<bool>& steps, bool wanted) {
  std::erase_if(series.points,
                [&](const Point& point) { return (point.step < steps.size() && steps[point.step]) != wanted; });
}

// and, or, unless: labels and values stay.
Matrix combine_sets(const BinaryOperation& operation, Matrix left, Matrix right) {
  for (Match& match : match(operation.matching, left, right)) {
    const bool is_or = operation.op == BinaryOp::kOr;
    const std::vector<bool> others = steps_of(is_or ? match.left : match.right);
    for (Series* series : is_or ? match.right : match.left)
      keep_points(*series, others, operation.op == BinaryOp::kAnd);
  }
  Matrix out;
  auto take = [&](Matrix& from) {
    for (Series& series : from.series)
      if (!series.points.empty()) out.series.push_back(std::move(series));
  };
  take(left);
  if (operation.op == BinaryOp::kOr) take(right);
  return out;
}

// Arithmetic and comparisons of two vectors, by match key; what has no partner is left out. The "many" side is the left
// one, with group_right the right one; of the other side a key may have one series at each step.
class Matching {
 public:
  Matching(const BinaryOperation& operation, Matrix& left, Matrix& right)
      : operation_(operation), one_is_left_(operation.matching.cardinality == Cardinality::kOneToMany) {
    for (Match& match : match(operation.matching, left, right)) {
      if (one_is_left_) std::swap(match.left, match.right);
      add(match);
    }
  }

  // The fault of the first step that has one.
  Result<Matrix> finish() {
    if (fault_step_ != UINT32_MAX) return pipeline::fail(pipeline::Errc::kInvalid, fault_);
    for (Series& series : made_.series)
      std::sort(series.points.begin(), series.points.end(),
                [](const Point& a, const Point& b) { return a.step < b.step; });
    std::erase_if(made_.series, [](const Series& series) { return series.points.empty(); });
    return std::move(made_);
  }

 private:
  // At each step the series of the "one" side.
  std::vector<const Series*> partners(const Match& match, std::vector<double>& values) {
    std::vector<const Series*> out;
    for (const Series* series : match.right) {
      for (const Point& point : series->points) {
        if (point.step >= out.size()) out.resize(point.step + size_t{1}), values.resize(out.size());
        if (out[point.step]) {
          report(point.step, pipeline::concat("found duplicate series on the ", one_is_left_ ? "left" : "right",
                                              " hand-side;many-to-many matching not allowed: matching labels must be "
                                              "unique on one side"));
        }
        out[point.step] = series;
        values[point.step] = point.value;
      }
    }
    return out;
  }

  void add(const Match& match) {
    std::vector<double> values;
    const std::vector<const Series*> partner = partners(match, values);
    const bool one_to_one = operation_.matching.cardinality == Cardinality::kOneToOne;
    std::map<LabelSet, std::vector<bool>> taken;  // steps at which a result has a value
    for (const Series* many : match.left) {
      const Series* latest = nullptr;
      Series* result = nullptr;
      std::vector<bool>* steps = nullptr;
      for (const Point& point : many->points) {
        if (point.step >= partner.size() || !partner[point.step]) continue;
        if (partner[point.step] != latest) {
          latest = partner[point.step];
          const LabelSet labels = result_labels(many->labels, latest->labels);
          result = &series_of(labels);
          steps = &taken[labels];
        }
        if (steps->size() < partner.size()) steps->resize(partner.size());
        if ((*steps)[point.step]) {
          report(point.step, one_to_one ? "multiple matches for labels: many-to-one matching must be explicit "
                                          "(group_left/group_right)"
                                        : "multiple matches for labels: grouping labels must ensure unique matches");
          continue;
        }
        (*steps)[point.step] = true;
        add_point(*result, point, values[point.step]);
      }
    }
  }

  void add_point(Series& result, const Point& many, double one) {
    const double left = one_is_left_ ? one : many.value, right = one_is_left_ ? many.value : one;
    const double value = apply_operation(operation_.op, left, right);
    if (!filters(operation_)) {
      result.points.push_back({many.step, value});
    } else if (value != 0) {
      result.points.push_back({many.step, left});
    }
  }

  LabelSet result_labels(const LabelSet& many, const LabelSet& one) const {
    const VectorMatching& matching = operation_.matching;
    LabelSet out = matching.cardinality == Cardinality::kOneToOne ? match_labels(matching, many) : many;
    for (const std::string& name : matching.include) {
      const std::string_view value = one.get(name).value_or("");
      out = value.empty() ? out.without(name) : out.with(name, value);
    }
    return out;
  }

  Series& series_of(const LabelSet& labels) {
    auto [at, is_new] = by_labels_.try_emplace(labels_key(labels), made_.series.size());
    if (is_new) made_.series.push_back({labels, {}});
    return made_.series[at->second];
  }

  void report(uint32_t step, std::string fault) {
    if (step >= fault_step_) return;
    fault_step_ = step;
    fault_ = std::move(fault);
  }

  const BinaryOperation& operation_;
  const bool one_is_left_;
  Matrix made_;
  std::unordered_map<pipeline::Hash128, size_t> by_labels_;
  uint32_t fault_step_ = UINT32_MAX;
  std::string fault_;
};

// Labels stay; comparisons keep the vector's value on either side.
Matrix combine_with_scalar(const BinaryOperation& operation, Matrix vector, const Matrix& scalar, bool vector_is_left) {
  const bool is_filter = filters(operation) && !vector.is_scalar;
  const std::vector<Point>& others = scalar.series.front().points;
  for (Series& series : vector.series) {
    auto made = series.points.begin();
    for (const Point& point : series.points) {
      const double other = others[point.step].value;
      const double value = vector_is_left ? apply_operation(operation.op, point.value, other)
                                          : apply_operation(operation.op, other, point.value);
      if (is_filter && value == 0) continue;
      *made++ = {point.step, is_filter ? point.value : value};
    }
    series.points.erase(made, series.points.end());
  }
  std::erase_if(vector.series, [](const Series& series) { return series.points.empty(); });
  return vector;
}

}  // namespace

Result<Matrix> combine(const BinaryOperation& operation, Matrix left, Matrix right) {
  if (right.is_scalar) return combine_with_scalar(operation, std::move(left), right, true);
  if (left.is_scalar) return combine_with_scalar(operation, std::move(right), left, false);
  if (is_set_operation(operation.op)) return combine_sets(operation, std::move(left), std::move(right));
  return Matching(operation, left, right).finish();
}

}  // namespace server
