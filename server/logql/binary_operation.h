// Operations of two metric expressions: arithmetic, comparisons, and, or, unless; with scalars on either side, or
// series of two vectors matched by all their labels, by on() or by all but ignoring().
//
// Thread: any (pure functions).
// Errors: kInvalid with Loki's texts where a series has several partners at one instant.
#pragma once

#include "pipeline/base/result.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

// A side that is_scalar applies to every series of the other. A comparison without bool filters: it keeps the value of
// the vector, of two vectors the left one's.
pipeline::Result<Matrix> combine(const BinaryOperation& operation, Matrix left, Matrix right);

// Division and modulo by zero are NaN; comparisons are 1 or 0.
double apply_operation(BinaryOp op, double left, double right);

}  // namespace server
