// What cannot be executed yet. Nothing else refuses it.
#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/logql/line_form.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::concat;

namespace {

Result<void> refuse(std::string_view what) {
  return pipeline::fail(pipeline::Errc::kInvalid, concat("not supported yet: ", what));
}

struct StageSupport {
  Result<void> operator()(const LineFormatStage& stage) {
    auto form = LineForm::compile(stage.form);
    if (!form) return refuse(form.error().message);
    return {};
  }
  Result<void> operator()(const UnpackStage&) { return refuse("unpack"); }
  Result<void> operator()(const LabelFormatStage&) { return refuse("label_format"); }
  template <class Stage>
  Result<void> operator()(const Stage&) {
    return {};
  }
};

Result<void> check_stages(const std::vector<Stage>& stages) {
  for (const Stage& stage : stages) TRY(std::visit(StageSupport{}, stage));
  return {};
}

struct ExprSupport {
  Result<void> operator()(const LogExpr& log) { return check_stages(log.stages); }
  Result<void> operator()(const RangeAggregation& range) {
    const bool known = range.op == RangeOp::kCountOverTime || range.op == RangeOp::kRate ||
                       range.op == RangeOp::kBytesOverTime || range.op == RangeOp::kBytesRate;
    if (range.range.unwrap) return refuse("unwrap");
    if (!known) return refuse(range_op_text(range.op));
    return check_stages(range.range.log.stages);
  }
  Result<void> operator()(const VectorAggregation& vector) {
    switch (vector.op) {
      case VectorOp::kSum:
      case VectorOp::kAvg:
      case VectorOp::kCount:
      case VectorOp::kMax:
      case VectorOp::kMin: return check_supported(*vector.inner);
      default: return refuse(vector_op_text(vector.op));
    }
  }
  Result<void> operator()(const BinaryOperation& binary) {
    auto is_scalar = [](const Expr& expr) { return std::holds_alternative<Literal>(expr.node); };
    const bool two_vectors = !is_scalar(*binary.left) && !is_scalar(*binary.right);
    if (is_set_operation(binary.op)) return refuse(concat("operator ", binary_op_text(binary.op)));
    if (two_vectors && (binary.matching.on || !binary.matching.labels.empty())) return refuse("on() and ignoring()");
    if (binary.matching.cardinality != VectorMatching::Cardinality::kOneToOne)
      return refuse("group_left and group_right");
    TRY(check_supported(*binary.left));
    return check_supported(*binary.right);
  }
  Result<void> operator()(const LabelReplace&) { return refuse("label_replace"); }
  Result<void> operator()(const Literal&) { return {}; }
  Result<void> operator()(const VectorLiteral&) { return {}; }
};

}  // namespace

Result<void> check_supported(const Expr& expr) { return std::visit(ExprSupport{}, expr.node); }

}  // namespace server
