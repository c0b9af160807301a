#include "server/logql/parser.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "server/logql/parse_run.h"

namespace server {

using pipeline::concat;
using pipeline::fail;

namespace {

constexpr size_t kMaxQueryBytes = 131072;  // Loki's

constexpr std::string_view kEmptyMatchers =
    "queries require at least one regexp or equality matcher that does not have an empty-compatible value. For "
    "instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

Result<Expr> parse(std::string_view text) {
  if (text.size() >= kMaxQueryBytes)
    return fail(parse_error(concat("input size too long (", text.size(), " > ", kMaxQueryBytes, ")")));
  return ParseRun(tokenize(text)).query();
}

Result<void> check_selector(const Selector& selector) {
  for (const pipeline::Matcher& matcher : compile_selector(selector))
    if (!matcher.matches_empty()) return {};
  return fail(parse_error(kEmptyMatchers));
}

Result<void> check_selectors(const Expr& expr);

// An aggregation over a literal selects nothing either.
Result<void> check_inner(const Expr& inner) {
  if (std::holds_alternative<Literal>(inner.node)) return fail(parse_error(kEmptyMatchers));
  return check_selectors(inner);
}

struct SelectorCheck {
  Result<void> operator()(const LogExpr& log) { return check_selector(log.selector); }
  Result<void> operator()(const RangeAggregation& range) { return check_selector(range.range.log.selector); }
  Result<void> operator()(const VectorAggregation& vector) { return check_inner(*vector.inner); }
  Result<void> operator()(const LabelReplace& replace) { return check_inner(*replace.inner); }
  Result<void> operator()(const BinaryOperation& binary) {
    TRY(check_selectors(*binary.left));
    return check_selectors(*binary.right);
  }
  Result<void> operator()(const Literal&) { return {}; }
  Result<void> operator()(const VectorLiteral&) { return {}; }
};

Result<void> check_selectors(const Expr& expr) { return std::visit(SelectorCheck{}, expr.node); }

}  // namespace

Result<Expr> parse_query(std::string_view text) {
  TRY_LET(Expr expr, parse(text));
  TRY(check_selectors(expr));
  return expr;
}

Result<Selector> parse_selector(std::string_view text, EmptyMatchers empty) {
  TRY_LET(Expr expr, parse(text));
  LogExpr* log = std::get_if<LogExpr>(&expr.node);
  if (!log || !log->stages.empty()) return fail(pipeline::Errc::kInvalid, "only label matchers are supported");
  if (empty == EmptyMatchers::kRefuse) TRY(check_selector(log->selector));
  return std::move(log->selector);
}

std::vector<pipeline::Matcher> compile_selector(const Selector& selector) {
  std::vector<pipeline::Matcher> out;
  out.reserve(selector.matchers.size());
  for (const LabelMatcher& matcher : selector.matchers) {
    auto compiled = pipeline::Matcher::create(matcher.name, matcher.op, matcher.value);
    INVARIANT(compiled.has_value());
    out.push_back(*std::move(compiled));
  }
  return out;
}

}  // namespace server
