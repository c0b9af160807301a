// What cannot be executed yet. Nothing else refuses it.
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
  Result<void> operator()(const RangeAggregation& range) { return check_stages(range.range.log.stages); }
  Result<void> operator()(const VectorAggregation& vector) { return check_supported(*vector.inner); }
  Result<void> operator()(const BinaryOperation& binary) {
    TRY(check_supported(*binary.left));
    return check_supported(*binary.right);
  }
  Result<void> operator()(const LabelReplace& replace) { return check_supported(*replace.inner); }
  Result<void> operator()(const Literal&) { return {}; }
  Result<void> operator()(const VectorLiteral&) { return {}; }
};

}  // namespace

Result<void> check_supported(const Expr& expr) { return std::visit(ExprSupport{}, expr.node); }

}  // namespace server
