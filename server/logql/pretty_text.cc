#include "server/logql/pretty_text.h"

#include <cmath>
#include <cstdio>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/value_text.h"

namespace server {

using pipeline::concat;
using pipeline::prometheus_duration_text;

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  pipeline::append_quoted(out, text);
  return out;
}

std::string joined(const std::vector<std::string>& list, std::string_view separator) {
  std::string out;
  for (const std::string& text : list) out += concat(out.empty() ? "" : separator, text);
  return out;
}

std::string indent(int level) { return std::string(static_cast<size_t>(level) * 2, ' '); }

// As Go prints a float: an exponent from 1e+21 on.
std::string number_text(double value) {
  std::string out;
  const double size = std::fabs(value);
  const bool exponent = size != 0 && std::isfinite(size) && (size < 1e-4 || size >= 1e21);
  pipeline::append_go_float(out, value, exponent ? 'e' : 'f', -1);
  return out;
}

std::string plain_number(double value) {
  std::string out;
  pipeline::append_go_float(out, value, 'f', -1);
  return out;
}

// `!= "a" or "b"` is what `!= "a" != "b"` is; further alternatives stay with the second.
std::string line_filter_text(const LineFilterStage& stage) {
  auto operand_text = [](const LineFilterOperand& operand) {
    return operand.is_ip ? concat("ip(", quoted(operand.text), ")") : quoted(operand.text);
  };
  const std::string_view op = pipeline::line_filter_op_text(stage.op);
  const bool negative = op.starts_with('!');
  std::string out = concat(op, " ");
  for (size_t i = 0; i < stage.operands.size(); ++i) {
    if (i > 0) out += negative && i == 1 ? concat(" ", op, " ") : " or ";
    out += operand_text(stage.operands[i]);
  }
  return out;
}

std::string one_stage(const Stage& stage) {
  if (const auto* filter = std::get_if<LineFilterStage>(&stage)) return line_filter_text(*filter);
  return stage_text(stage);
}

// Consecutive line filters are one stage to Loki.
std::vector<std::string> stage_texts(const std::vector<Stage>& stages) {
  std::vector<std::string> out;
  bool after_filter = false;
  for (const Stage& stage : stages) {
    const bool filter = std::holds_alternative<LineFilterStage>(stage);
    if (filter && after_filter) {
      out.back() += concat(" ", one_stage(stage));
    } else {
      out.push_back(one_stage(stage));
    }
    after_filter = filter;
  }
  return out;
}

std::string unwrap_text(const Unwrap& unwrap) {
  std::string out = unwrap.conversion_text.empty()
                        ? concat("| unwrap ", unwrap.label)
                        : concat("| unwrap ", unwrap.conversion_text, "(", unwrap.label, ")");
  for (const LabelFilter& filter : unwrap.post_filters) out += concat(" | ", label_filter_text(filter));
  return out;
}

// --- one line

std::string one_line(const Expr& expr);

std::string one_line(const LogExpr& log) {
  std::string out = selector_text(log.selector);
  for (const std::string& stage : stage_texts(log.stages)) out += concat(" ", stage);
  return out;
}

std::string one_line(const LogRange& range) {
  std::string out = one_line(range.log);
  if (range.unwrap) out += concat(" ", unwrap_text(*range.unwrap));
  out += concat("[", prometheus_duration_text(range.range_ns), "]");
  if (range.offset_ns != 0)
    out += concat(" offset ", pipeline::format_duration(std::chrono::nanoseconds(range.offset_ns)));
  return out;
}

std::string grouping_text(const std::optional<Grouping>& grouping, std::string_view separator) {
  if (!grouping) return {};
  return concat(grouping->without ? " without (" : " by (", joined(grouping->labels, separator), ")");
}

// by () groups all in one, as no grouping does.
bool is_single_group(const std::optional<Grouping>& grouping) {
  return !grouping || (!grouping->without && grouping->labels.empty());
}

bool has_count(VectorOp op) { return op == VectorOp::kBottomK || op == VectorOp::kTopK || op == VectorOp::kApproxTopK; }

std::string operator_text(const BinaryOperation& binary, std::string_view separator) {
  using Cardinality = VectorMatching::Cardinality;
  const VectorMatching& matching = binary.matching;
  std::string out(binary_op_text(binary.op));
  if (binary.return_bool) out += " bool";
  std::string group;
  if (matching.cardinality != Cardinality::kOneToOne)
    group = matching.cardinality == Cardinality::kManyToOne ? "group_left" : "group_right";
  if (!matching.include.empty()) group += concat(" (", joined(matching.include, separator), ")");
  if (matching.on || !matching.labels.empty())
    out += concat(matching.on ? " on (" : " ignoring (", joined(matching.labels, separator), ") ", group);
  return out;
}

// How strongly an operator binds.
int strength(BinaryOp op) {
  switch (op) {
    case BinaryOp::kOr: return 1;
    case BinaryOp::kAnd:
    case BinaryOp::kUnless: return 2;
    case BinaryOp::kAdd:
    case BinaryOp::kSubtract: return 4;
    case BinaryOp::kMultiply:
    case BinaryOp::kDivide:
    case BinaryOp::kModulo: return 5;
    case BinaryOp::kPower: return 6;
    default: return 3;  // comparisons
  }
}

struct OneLine {
  std::string operator()(const LogExpr& log) { return one_line(log); }
  std::string operator()(const RangeAggregation& range) {
    return concat(range_op_text(range.op), "(", range.parameter ? concat(plain_number(*range.parameter), ",") : "",
                  one_line(range.range), ")", grouping_text(range.grouping, ","));
  }
  std::string operator()(const VectorAggregation& vector) {
    return concat(vector_op_text(vector.op),
                  is_single_group(vector.grouping) ? "" : grouping_text(vector.grouping, ","), "(",
                  has_count(vector.op) ? concat(vector.k, ",") : "", one_line(*vector.inner), ")");
  }
  std::string operator()(const BinaryOperation& binary) {
    return concat("(", one_line(*binary.left), " ", operator_text(binary, ","), " ", one_line(*binary.right), ")");
  }
  std::string operator()(const Literal& literal) { return number_text(literal.value); }
  std::string operator()(const VectorLiteral& literal) {
    char text[400];  // the largest double has 309 digits before its point
    std::snprintf(text, sizeof text, "vector(%f)", literal.value);
    return text;
  }
  std::string operator()(const LabelReplace& replace) {
    return concat("label_replace(", one_line(*replace.inner), ",", quoted(replace.destination), ",",
                  quoted(replace.replacement), ",", quoted(replace.source), ",", quoted(replace.regex), ")");
  }
};

std::string one_line(const Expr& expr) { return std::visit(OneLine{}, expr.node); }

// --- several lines

struct Broken {
  size_t line_length;
  int level;

  std::string at(int inner_level, const Expr& expr) const {
    std::string line = one_line(expr);
    if (line.size() <= line_length) return concat(indent(inner_level), line);
    return std::visit(Broken{line_length, inner_level}, expr.node);
  }

  std::string log(int log_level, const LogExpr& log) const {
    std::string line = one_line(log);
    if (line.size() <= line_length || log.stages.empty()) return concat(indent(log_level), line);
    std::string out = concat(indent(log_level), selector_text(log.selector));
    for (const std::string& stage : stage_texts(log.stages)) out += concat("\n", indent(log_level + 1), stage);
    return out;
  }

  std::string arguments(std::vector<std::string> list) const {
    return concat("(\n", joined(list, ",\n"), "\n", indent(level), ")");
  }

  std::string operator()(const LogExpr& expr) const { return log(level, expr); }
  std::string operator()(const RangeAggregation& aggregation) const {
    const LogRange& range = aggregation.range;
    std::string argument = log(level + 1, range.log);
    if (range.unwrap) argument += concat("\n", indent(level + 2), unwrap_text(*range.unwrap));
    argument += concat(" [", prometheus_duration_text(range.range_ns), "]");
    if (range.offset_ns != 0)
      argument += range.offset_ns < 0 ? concat(" offset -", prometheus_duration_text(-range.offset_ns))
                                      : concat(" offset ", prometheus_duration_text(range.offset_ns));
    std::vector<std::string> list;
    if (aggregation.parameter) list.push_back(concat(indent(level + 1), number_text(*aggregation.parameter)));
    list.push_back(std::move(argument));
    return concat(indent(level), range_op_text(aggregation.op), arguments(std::move(list)),
                  broken_grouping(aggregation.grouping));
  }
  std::string operator()(const VectorAggregation& aggregation) const {
    std::vector<std::string> list;
    if (has_count(aggregation.op)) list.push_back(concat(indent(level + 1), aggregation.k));
    list.push_back(at(level + 1, *aggregation.inner));
    return concat(indent(level), vector_op_text(aggregation.op), broken_grouping(aggregation.grouping),
                  arguments(std::move(list)));
  }
  std::string operator()(const BinaryOperation& binary) const {
    return concat(side(binary, *binary.left, Side::kLeft), "\n", indent(level), operator_text(binary, ", "), "\n",
                  side(binary, *binary.right, Side::kRight));
  }
  std::string operator()(const LabelReplace& replace) const {
    std::vector<std::string> list = {at(level + 1, *replace.inner)};
    for (const std::string* text : {&replace.destination, &replace.replacement, &replace.source, &replace.regex})
      list.push_back(concat(indent(level + 1), quoted(*text)));
    return concat(indent(level), "label_replace", arguments(std::move(list)));
  }
  std::string operator()(const Literal& literal) const { return concat(indent(level), OneLine()(literal)); }
  std::string operator()(const VectorLiteral& literal) const { return concat(indent(level), OneLine()(literal)); }

  // A side that is itself broken up has no parentheses of its own. Loki's formatter leaves them out always, which
  // changes what some queries mean.
  enum class Side { kLeft, kRight };
  std::string side(const BinaryOperation& parent, const Expr& expr, Side which) const {
    const auto* inner = std::get_if<BinaryOperation>(&expr.node);
    if (inner == nullptr || one_line(expr).size() <= line_length) return at(level + 1, expr);
    const int outside = strength(parent.op), inside = strength(inner->op);
    const bool right_first = parent.op == BinaryOp::kPower;
    if (inside > outside || (inside == outside && right_first == (which == Side::kRight))) return at(level + 1, expr);
    return concat(indent(level + 1), "(\n", at(level + 2, expr), "\n", indent(level + 1), ")");
  }

  // `without ()` loses its parentheses, as in Loki.
  static std::string broken_grouping(const std::optional<Grouping>& grouping) {
    if (is_single_group(grouping)) return {};
    return grouping->labels.empty() ? " without" : grouping_text(grouping, ", ");
  }
};

}  // namespace

std::string pretty_text(const Expr& expr, size_t line_length) { return Broken{line_length, 0}.at(0, expr); }

}  // namespace server
