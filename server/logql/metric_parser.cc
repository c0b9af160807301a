// The part of ParseRun for metric expressions.
#include <charconv>
#include <cstdio>

#include "pipeline/base/concat.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/value_text.h"
#include "server/logql/binary_operation.h"
#include "server/logql/parse_run.h"

namespace server {

using pipeline::concat;
using pipeline::fail;
using pipeline::parse_go_float;

namespace {

struct BinaryLevel {
  BinaryOp op;
  int level;  // 1 binds least
};

std::optional<BinaryLevel> binary_level(Token token) {
  switch (token) {
    case Token::kOr: return BinaryLevel{BinaryOp::kOr, 1};
    case Token::kAnd: return BinaryLevel{BinaryOp::kAnd, 2};
    case Token::kUnless: return BinaryLevel{BinaryOp::kUnless, 2};
    case Token::kCompareEq: return BinaryLevel{BinaryOp::kEqual, 3};
    case Token::kNeq: return BinaryLevel{BinaryOp::kNotEqual, 3};
    case Token::kLess: return BinaryLevel{BinaryOp::kLess, 3};
    case Token::kLessEqual: return BinaryLevel{BinaryOp::kLessEqual, 3};
    case Token::kGreater: return BinaryLevel{BinaryOp::kGreater, 3};
    case Token::kGreaterEqual: return BinaryLevel{BinaryOp::kGreaterEqual, 3};
    case Token::kAdd: return BinaryLevel{BinaryOp::kAdd, 4};
    case Token::kSubtract: return BinaryLevel{BinaryOp::kSubtract, 4};
    case Token::kMultiply: return BinaryLevel{BinaryOp::kMultiply, 5};
    case Token::kDivide: return BinaryLevel{BinaryOp::kDivide, 5};
    case Token::kModulo: return BinaryLevel{BinaryOp::kModulo, 5};
    case Token::kPower: return BinaryLevel{BinaryOp::kPower, 6};
    default: return std::nullopt;
  }
}

std::optional<RangeOp> range_op(Token token) {
  switch (token) {
    case Token::kCountOverTime: return RangeOp::kCountOverTime;
    case Token::kRate: return RangeOp::kRate;
    case Token::kRateCounter: return RangeOp::kRateCounter;
    case Token::kBytesOverTime: return RangeOp::kBytesOverTime;
    case Token::kBytesRate: return RangeOp::kBytesRate;
    case Token::kAvgOverTime: return RangeOp::kAvgOverTime;
    case Token::kSumOverTime: return RangeOp::kSumOverTime;
    case Token::kMinOverTime: return RangeOp::kMinOverTime;
    case Token::kMaxOverTime: return RangeOp::kMaxOverTime;
    case Token::kStdvarOverTime: return RangeOp::kStdvarOverTime;
    case Token::kStddevOverTime: return RangeOp::kStddevOverTime;
    case Token::kQuantileOverTime: return RangeOp::kQuantileOverTime;
    case Token::kFirstOverTime: return RangeOp::kFirstOverTime;
    case Token::kLastOverTime: return RangeOp::kLastOverTime;
    case Token::kAbsentOverTime: return RangeOp::kAbsentOverTime;
    default: return std::nullopt;
  }
}

std::optional<VectorOp> vector_op(Token token) {
  switch (token) {
    case Token::kSum: return VectorOp::kSum;
    case Token::kAvg: return VectorOp::kAvg;
    case Token::kCount: return VectorOp::kCount;
    case Token::kMax: return VectorOp::kMax;
    case Token::kMin: return VectorOp::kMin;
    case Token::kStddev: return VectorOp::kStddev;
    case Token::kStdvar: return VectorOp::kStdvar;
    case Token::kBottomK: return VectorOp::kBottomK;
    case Token::kTopK: return VectorOp::kTopK;
    case Token::kSort: return VectorOp::kSort;
    case Token::kSortDesc: return VectorOp::kSortDesc;
    case Token::kApproxTopK: return VectorOp::kApproxTopK;
    default: return std::nullopt;
  }
}

// Nothing: well formed in every way.
std::optional<std::string> range_fault(const RangeAggregation& aggregation) {
  const std::string_view name = range_op_text(aggregation.op);
  bool groups = false, with_unwrap = true, without_unwrap = false;
  switch (aggregation.op) {
    case RangeOp::kAvgOverTime:
    case RangeOp::kMinOverTime:
    case RangeOp::kMaxOverTime:
    case RangeOp::kStdvarOverTime:
    case RangeOp::kStddevOverTime:
    case RangeOp::kQuantileOverTime:
    case RangeOp::kFirstOverTime:
    case RangeOp::kLastOverTime: groups = true; break;
    case RangeOp::kRate:
    case RangeOp::kAbsentOverTime: without_unwrap = true; break;
    case RangeOp::kCountOverTime:
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate:
      with_unwrap = false;
      without_unwrap = true;
      break;
    case RangeOp::kSumOverTime:
    case RangeOp::kRateCounter: break;
  }
  if (aggregation.grouping && !groups) return concat("grouping not allowed for ", name, " aggregation");
  if (aggregation.range.unwrap && !with_unwrap) return concat("invalid aggregation ", name, " with unwrap");
  if (!aggregation.range.unwrap && !without_unwrap) return concat("invalid aggregation ", name, " without unwrap");
  return std::nullopt;
}

// `parameter` is the text of the number in front of the comma.
std::optional<std::string> vector_fault(VectorAggregation& aggregation, const std::optional<std::string>& parameter) {
  const std::string_view name = vector_op_text(aggregation.op);
  switch (aggregation.op) {
    case VectorOp::kTopK:
    case VectorOp::kBottomK:
    case VectorOp::kApproxTopK: {
      if (!parameter) return concat("parameter required for operation ", name);
      const char* end = parameter->data() + parameter->size();
      const auto read = std::from_chars(parameter->data(), end, aggregation.k);
      if (read.ec != std::errc() || read.ptr != end) return concat("invalid parameter ", name, "(", *parameter, ",");
      if (aggregation.k <= 0) return concat("invalid parameter (must be greater than 0) ", name, "(", *parameter);
      if (aggregation.op == VectorOp::kApproxTopK && aggregation.grouping)
        return concat("grouping not allowed for ", name, " aggregation");
      return std::nullopt;
    }
    case VectorOp::kSort:
    case VectorOp::kSortDesc:
      if (aggregation.grouping && !aggregation.grouping->labels.empty())
        return "sort and sort_desc doesn't allow grouping by ";
      [[fallthrough]];
    default:
      if (parameter) return concat("unsupported parameter for operation ", name, "(", *parameter, ",");
      return std::nullopt;
  }
}

ExprPtr boxed(Expr expr) { return std::make_unique<Expr>(std::move(expr)); }

}  // namespace

Result<Expr> ParseRun::query() {
  TRY_LET(Expr out, expression(0));
  if (token() != Token::kEnd) return fail(unexpected());
  if (noted_) return fail(parse_error(*noted_));
  return out;
}

// Precedence climbing; only ^ takes its own kind on the right.
Result<Expr> ParseRun::expression(int lowest) {
  TRY(enter());
  TRY_LET(Expr out, operators(lowest));
  leave();
  return out;
}

Result<Expr> ParseRun::operators(int lowest) {
  TRY_LET(Expr left, operand());
  for (;;) {
    const auto level = binary_level(token());
    if (!level || level->level < lowest) return left;
    TRY(count_join());
    advance();
    BinaryOperation operation;
    operation.op = level->op;
    operation.return_bool = take(Token::kBool);
    TRY_LET(operation.matching, matching());
    TRY_LET(Expr right, expression(level->op == BinaryOp::kPower ? level->level : level->level + 1));
    TRY_LET(left, join(std::move(left), std::move(operation), std::move(right)));
  }
}

Result<VectorMatching> ParseRun::matching() {
  VectorMatching out;
  if (token() != Token::kOn && token() != Token::kIgnoring) return out;
  out.on = advance().token == Token::kOn;
  TRY_LET(out.labels, label_list());
  if (token() != Token::kGroupLeft && token() != Token::kGroupRight) return out;
  using Cardinality = VectorMatching::Cardinality;
  out.cardinality = advance().token == Token::kGroupLeft ? Cardinality::kManyToOne : Cardinality::kOneToMany;
  if (token() == Token::kOpenParen) { TRY_LET(out.include, label_list()); }
  return out;
}

Result<Expr> ParseRun::join(Expr left, BinaryOperation operation, Expr right) {
  const std::string_view op = binary_op_text(operation.op);
  struct Leg {
    const Expr& expr;
    std::string_view name;
  };
  for (const Leg& leg : {Leg{left, "left"}, Leg{right, "right"}}) {
    if (const LogExpr* log = leg.expr.log())
      return fail(parse_error(concat("unexpected type for ", leg.name, " leg of binary operation (", op, "): *syntax.",
                                     log->stages.empty() ? "MatchersExpr" : "PipelineExpr")));
  }
  const Literal* left_literal = std::get_if<Literal>(&left.node);
  const Literal* right_literal = std::get_if<Literal>(&right.node);
  if (is_set_operation(operation.op) && (left_literal || right_literal)) {
    char number[352];
    std::snprintf(number, sizeof number, "%f", (left_literal ? left_literal : right_literal)->value);
    return fail(parse_error(concat("unexpected literal for ", left_literal ? "left" : "right",
                                   " leg of logical/set binary operation (", op, "): ", std::string_view(number))));
  }
  if (left_literal && right_literal)
    return Expr{Literal{apply_operation(operation.op, left_literal->value, right_literal->value)}};
  operation.left = boxed(std::move(left));
  operation.right = boxed(std::move(right));
  return Expr{std::move(operation)};
}

Result<Expr> ParseRun::operand() {
  if (range_op(token())) return range_aggregation();
  if (vector_op(token())) return vector_aggregation();
  switch (token()) {
    case Token::kOpenBrace: {
      LogExpr log;
      TRY_LET(log.selector, selector());
      TRY(stages(log.stages, nullptr));
      return Expr{std::move(log)};
    }
    case Token::kOpenParen: {
      advance();
      TRY_LET(Expr inner, expression(0));
      if (!take(Token::kCloseParen)) return fail(unexpected());
      return inner;
    }
    case Token::kNumber:
    case Token::kAdd:
    case Token::kSubtract: {
      TRY_LET(const double value, number());
      return Expr{Literal{value}};
    }
    case Token::kLabelReplace: return label_replace();
    case Token::kVector: return vector();
    case Token::kVariants:
      return fail(pipeline::Errc::kInvalid, "multi variant queries are disabled for this instance");
    default: return fail(unexpected());
  }
}

// An expression where a log expression alone will not do: only an operator could go on after it.
Result<Expr> ParseRun::metric() {
  TRY_LET(Expr out, expression(0));
  if (out.log()) return fail(unexpected());
  return out;
}

Result<double> ParseRun::number() {
  const bool negative = take(Token::kSubtract);
  if (!negative) take(Token::kAdd);
  TRY_LET(const std::string digits, expect_text(Token::kNumber));
  auto value = parse_go_float(digits);
  if (!value) {
    note(concat("unable to parse literal as a float: ", value.error().message));
    return 0;
  }
  return negative ? -*value : *value;
}

Result<Expr> ParseRun::range_aggregation() {
  RangeAggregation out;
  out.op = *range_op(advance().token);
  TRY(expect(Token::kOpenParen));
  std::optional<std::string> parameter;
  if (token() == Token::kNumber) {
    parameter = advance().text;
    TRY(expect(Token::kComma));
    TRY_LET(out.range, log_range());
  } else if (token() == Token::kOpenBrace || token() == Token::kOpenParen) {
    TRY_LET(out.range, log_range());
  } else {
    return fail(unexpected({Token::kNumber, Token::kOpenBrace, Token::kOpenParen}));
  }
  TRY(expect(Token::kCloseParen));
  if (token() == Token::kBy || token() == Token::kWithout) { TRY_LET(out.grouping, grouping()); }
  const std::string_view name = range_op_text(out.op);
  if (parameter && out.op != RangeOp::kQuantileOverTime) {
    note(concat("parameter ", *parameter, " not supported for operation ", name));
  } else if (!parameter && out.op == RangeOp::kQuantileOverTime) {
    note(concat("parameter required for operation ", name));
  } else if (auto fault = range_fault(out)) {
    note(*fault);
  }
  if (parameter) {
    auto value = parse_go_float(*parameter);
    if (value) {
      out.parameter = *value;
    } else {
      note(concat("invalid parameter for operation ", name, ": ", value.error().message));
    }
  }
  return Expr{std::move(out)};
}

Result<LogRange> ParseRun::log_range() {
  TRY(enter());
  Result<LogRange> out = [&]() -> Result<LogRange> {
    if (token() == Token::kOpenParen) return parenthesised_range();
    if (token() == Token::kOpenBrace) return bare_range();
    return fail(unexpected({Token::kOpenBrace, Token::kOpenParen}));
  }();
  leave();
  return out;
}

Result<void> ParseRun::offset(LogRange& range) {
  if (!take(Token::kOffset)) return {};
  if (token() != Token::kDuration) return fail(unexpected({Token::kDuration}));
  range.offset_ns = advance().duration_ns;
  return {};
}

// [range] offset o, where the stages have been read.
Result<void> ParseRun::range_and_offset(LogRange& range) {
  if (token() != Token::kRange) {
    if (range.unwrap) return fail(unexpected({Token::kRange, Token::kPipe}));
    return fail(unexpected());
  }
  range.range_ns = advance().duration_ns;
  return offset(range);
}

// {selector} stages unwrap [range] offset o, or {selector} [range] offset o stages unwrap
Result<LogRange> ParseRun::bare_range() {
  LogRange out;
  TRY_LET(out.log.selector, selector());
  if (token() == Token::kRange) {
    TRY(range_and_offset(out));
    TRY(stages(out.log.stages, &out.unwrap));
    return out;
  }
  TRY(stages(out.log.stages, &out.unwrap));
  TRY(range_and_offset(out));
  return out;
}

// ({selector} stages unwrap) [range] offset o, ({selector}) [range] offset o unwrap, or a range in parentheses
Result<LogRange> ParseRun::parenthesised_range() {
  advance();
  LogRange out;
  if (token() == Token::kOpenParen) {
    TRY_LET(out, log_range());
    TRY(expect(Token::kCloseParen));
    return out;
  }
  if (token() != Token::kOpenBrace) return fail(unexpected({Token::kOpenBrace, Token::kOpenParen}));
  TRY_LET(out.log.selector, selector());
  const bool bare = token() == Token::kCloseParen;
  const bool range_first = token() == Token::kRange;
  if (range_first) TRY(range_and_offset(out));
  TRY(stages(out.log.stages, &out.unwrap));
  if (range_first) {
    TRY(expect(Token::kCloseParen));
    return out;
  }
  if (token() == Token::kRange) {
    TRY(range_and_offset(out));
    TRY(expect(Token::kCloseParen));
    return out;
  }
  if (!take(Token::kCloseParen)) {
    if (out.unwrap) return fail(unexpected({Token::kRange, Token::kCloseParen, Token::kPipe}));
    return fail(unexpected());
  }
  if (token() != Token::kRange) return fail(unexpected({Token::kRange}));
  TRY(range_and_offset(out));
  if (!bare || !take(Token::kPipe)) return out;
  if (token() != Token::kUnwrap) return fail(unexpected({Token::kUnwrap}));
  TRY_LET(out.unwrap, unwrap());
  return out;
}

Result<Expr> ParseRun::vector_aggregation() {
  VectorAggregation out;
  out.op = *vector_op(advance().token);
  if (token() == Token::kBy || token() == Token::kWithout) {
    TRY_LET(out.grouping, grouping());
    TRY(expect(Token::kOpenParen));
  } else if (!take(Token::kOpenParen)) {
    return fail(unexpected({Token::kOpenParen, Token::kBy, Token::kWithout}));
  }
  std::optional<std::string> parameter;
  if (token() == Token::kNumber && next_is(Token::kComma)) {
    parameter = advance().text;
    advance();
  }
  TRY_LET(Expr inner, metric());
  if (!take(Token::kCloseParen)) return fail(unexpected());
  if (!out.grouping && (token() == Token::kBy || token() == Token::kWithout)) { TRY_LET(out.grouping, grouping()); }
  out.inner = boxed(std::move(inner));
  if (auto fault = vector_fault(out, parameter)) note(*fault);
  return Expr{std::move(out)};
}

Result<Grouping> ParseRun::grouping() {
  Grouping out;
  out.without = advance().token == Token::kWithout;
  TRY_LET(out.labels, label_list());
  return out;
}

// (a, b), also empty
Result<std::vector<std::string>> ParseRun::label_list() {
  std::vector<std::string> out;
  TRY(expect(Token::kOpenParen));
  if (take(Token::kCloseParen)) return out;
  if (token() != Token::kIdentifier) return fail(unexpected({Token::kIdentifier, Token::kCloseParen}));
  for (;;) {
    TRY_LET(std::string name, expect_text(Token::kIdentifier));
    out.push_back(std::move(name));
    if (take(Token::kCloseParen)) return out;
    if (!take(Token::kComma)) return fail(unexpected({Token::kComma, Token::kCloseParen}));
  }
}

Result<Expr> ParseRun::label_replace() {
  advance();
  TRY(expect(Token::kOpenParen));
  LabelReplace out;
  TRY_LET(Expr inner, metric());
  if (token() != Token::kComma) return fail(unexpected());
  for (std::string* argument : {&out.destination, &out.replacement, &out.source, &out.regex}) {
    TRY(expect(Token::kComma));
    TRY_LET(*argument, expect_text(Token::kString));
  }
  TRY(expect(Token::kCloseParen));
  auto regex = pipeline::Regex::compile(concat("^(?:", out.regex, ")$"));
  if (!regex) note(concat("invalid regex in label_replace: ", regex.error().message));
  out.inner = boxed(std::move(inner));
  return Expr{std::move(out)};
}

Result<Expr> ParseRun::vector() {
  advance();
  TRY(expect(Token::kOpenParen));
  if (token() != Token::kNumber) return fail(unexpected({Token::kNumber}));
  TRY_LET(const double value, number());
  TRY(expect(Token::kCloseParen));
  return Expr{VectorLiteral{value}};
}

}  // namespace server
