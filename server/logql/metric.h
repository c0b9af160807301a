// Metric expressions above their range aggregations: vector aggregations, operations with scalars, literals.
//
// Thread: any. Errors: kInvalid; check_supported's texts for what is not there.
#pragma once

#include "pipeline/base/result.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

// Where the values of range aggregations come from: the query engine, or a list of entries in tests.
class RangeSource {
 public:
  virtual ~RangeSource() = default;
  virtual Result<Matrix> read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid) = 0;
};

// Each range aggregation of `expr` is read once, from left to right.
Result<Matrix> evaluate_metric(const Expr& expr, const StepGrid& grid, RangeSource& source);

// The steps of it, as pure functions.
Matrix aggregate(const VectorAggregation& aggregation, const Matrix& inner, const StepGrid& grid);
// A side that is_scalar applies to every series of the other; series of two vectors are matched by equal labels, one to
// one.
Matrix combine(const BinaryOperation& operation, const Matrix& left, const Matrix& right);
Matrix constant(double value, const StepGrid& grid);

// Division and modulo by zero are NaN; comparisons are 1 or 0.
double apply_operation(BinaryOp op, double left, double right);

}  // namespace server
