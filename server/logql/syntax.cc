#include "server/logql/syntax.h"

#include <cmath>
#include <cstdio>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "server/logql/matrix.h"

namespace server {

using pipeline::concat;

std::string_view compare_op_text(CompareOp op) {
  constexpr std::string_view kTexts[] = {"==", "!=", ">", ">=", "<", "<="};
  return kTexts[static_cast<size_t>(op)];
}

std::string_view range_op_text(RangeOp op) {
  constexpr std::string_view kTexts[] = {"count_over_time",  "rate",
                                         "rate_counter",     "bytes_over_time",
                                         "bytes_rate",       "avg_over_time",
                                         "sum_over_time",    "min_over_time",
                                         "max_over_time",    "stdvar_over_time",
                                         "stddev_over_time", "quantile_over_time",
                                         "first_over_time",  "last_over_time",
                                         "absent_over_time"};
  return kTexts[static_cast<size_t>(op)];
}

std::string_view vector_op_text(VectorOp op) {
  constexpr std::string_view kTexts[] = {"sum",    "avg",     "count", "max",  "min",       "stddev",
                                         "stdvar", "bottomk", "topk",  "sort", "sort_desc", "approx_topk"};
  return kTexts[static_cast<size_t>(op)];
}

std::string_view binary_op_text(BinaryOp op) {
  constexpr std::string_view kTexts[] = {"or", "and", "unless", "==", "!=", "<", "<=", ">",
                                         ">=", "+",   "-",      "*",  "/",  "%", "^"};
  return kTexts[static_cast<size_t>(op)];
}

bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterEqual; }
bool is_set_operation(BinaryOp op) { return op <= BinaryOp::kUnless; }

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  pipeline::append_quoted(out, text);
  return out;
}

template <class List, class Text>
std::string joined(const List& list, std::string_view separator, Text text) {
  std::string out;
  bool first = true;
  for (const auto& element : list) {
    if (!first) out += separator;
    first = false;
    out += text(element);
  }
  return out;
}

// As humanize.Bytes writes it, without the space: "5.0kB".
std::string bytes_text(uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 10) return concat(bytes, "B");
  const double power = std::floor(std::log(static_cast<double>(bytes)) / std::log(1000.0));
  const double value = std::floor(static_cast<double>(bytes) / std::pow(1000.0, power) * 10 + 0.5) / 10;
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f" : "%.0f", value);
  return concat(std::string_view(text), kUnits[static_cast<size_t>(power)]);
}

std::string matcher_text(const LabelMatcher& matcher) {
  return concat(matcher.name, pipeline::match_op_text(matcher.op), quoted(matcher.value));
}

std::string extractions_text(const std::vector<Extraction>& extractions) {
  if (extractions.empty()) return {};
  return concat(
      " ", joined(extractions, ",", [](const Extraction& e) { return concat(e.name, "=", quoted(e.expression)); }));
}

std::string named_text(const std::vector<NamedLabel>& labels) {
  return joined(labels, ",",
                [](const NamedLabel& label) { return label.matcher ? matcher_text(*label.matcher) : label.name; });
}

struct StageText {
  std::string operator()(const LineFilterStage& stage) {
    return concat(pipeline::line_filter_op_text(stage.op), " ",
                  joined(stage.operands, " or ", [](const LineFilterOperand& operand) {
                    return operand.is_ip ? concat("ip(", quoted(operand.text), ")") : quoted(operand.text);
                  }));
  }
  std::string operator()(const JsonStage& stage) { return concat("| json", extractions_text(stage.extractions)); }
  std::string operator()(const LogfmtStage& stage) {
    return concat("| logfmt", stage.strict ? " --strict" : "", stage.keep_empty ? " --keep-empty" : "",
                  extractions_text(stage.extractions));
  }
  std::string operator()(const RegexpStage& stage) { return concat("| regexp ", quoted(stage.regex)); }
  std::string operator()(const PatternStage& stage) { return concat("| pattern ", quoted(stage.pattern)); }
  std::string operator()(const UnpackStage&) { return "| unpack"; }
  std::string operator()(const LabelFilterStage& stage) { return concat("| ", label_filter_text(stage.filter)); }
  std::string operator()(const LineFormatStage& stage) { return concat("| line_format ", quoted(stage.form)); }
  std::string operator()(const LabelFormatStage& stage) {
    return concat("| label_format ", joined(stage.formats, ",", [](const LabelFormat& format) {
                    return concat(format.target, "=", format.is_rename ? format.source : quoted(format.source));
                  }));
  }
  std::string operator()(const DropStage& stage) { return concat("| drop ", named_text(stage.labels)); }
  std::string operator()(const KeepStage& stage) { return concat("| keep ", named_text(stage.labels)); }
  std::string operator()(const DecolorizeStage&) { return "| decolorize"; }
};

std::string grouping_text(const std::optional<Grouping>& grouping) {
  if (!grouping) return {};
  return concat(grouping->without ? " without (" : " by (",
                joined(grouping->labels, ",", [](const std::string& label) { return label; }), ")");
}

std::string log_text(const LogExpr& log) {
  std::string out = selector_text(log.selector);
  for (const Stage& stage : log.stages) out += concat(" ", stage_text(stage));
  return out;
}

std::string duration_text(int64_t nanos) { return pipeline::format_duration(std::chrono::nanoseconds(nanos)); }

std::string range_text(const LogRange& range) {
  std::string out = log_text(range.log);
  if (const auto& unwrap = range.unwrap) {
    out += unwrap->conversion_text.empty() ? concat(" | unwrap ", unwrap->label)
                                           : concat(" | unwrap ", unwrap->conversion_text, "(", unwrap->label, ")");
    for (const LabelFilter& filter : unwrap->post_filters) out += concat(" | ", label_filter_text(filter));
  }
  out += concat(" [", duration_text(range.range_ns), "]");
  if (range.offset_ns != 0) out += concat(" offset ", duration_text(range.offset_ns));
  return out;
}

std::string matching_text(const BinaryOperation& binary) {
  const VectorMatching& matching = binary.matching;
  auto names = [](const std::vector<std::string>& list) {
    return joined(list, ",", [](const std::string& label) { return label; });
  };
  std::string out = binary.return_bool ? " bool" : "";
  if (matching.on || !matching.labels.empty())
    out += concat(matching.on ? " on (" : " ignoring (", names(matching.labels), ")");
  if (matching.cardinality != VectorMatching::Cardinality::kOneToOne) {
    out += matching.cardinality == VectorMatching::Cardinality::kManyToOne ? " group_left" : " group_right";
    out += concat(" (", names(matching.include), ")");
  }
  return out;
}

struct ExprText {
  std::string operator()(const LogExpr& log) { return log_text(log); }
  std::string operator()(const RangeAggregation& range) {
    return concat(range_op_text(range.op), "(", range.parameter ? concat(value_text(*range.parameter), ",") : "",
                  range_text(range.range), ")", grouping_text(range.grouping));
  }
  std::string operator()(const VectorAggregation& vector) {
    return concat(vector_op_text(vector.op), grouping_text(vector.grouping), "(",
                  vector.k > 0 ? concat(vector.k, ",") : "", expr_text(*vector.inner), ")");
  }
  std::string operator()(const BinaryOperation& binary) {
    return concat("(", expr_text(*binary.left), " ", binary_op_text(binary.op), matching_text(binary), " ",
                  expr_text(*binary.right), ")");
  }
  std::string operator()(const Literal& literal) { return value_text(literal.value); }
  std::string operator()(const VectorLiteral& literal) { return concat("vector(", value_text(literal.value), ")"); }
  std::string operator()(const LabelReplace& replace) {
    return concat("label_replace(", expr_text(*replace.inner), ",", quoted(replace.destination), ",",
                  quoted(replace.replacement), ",", quoted(replace.source), ",", quoted(replace.regex), ")");
  }
};

}  // namespace

std::string label_filter_text(const LabelFilter& filter) {
  using Kind = LabelFilter::Kind;
  const std::string_view compare = compare_op_text(filter.compare);
  switch (filter.kind) {
    case Kind::kString: return matcher_text(filter.matcher);
    case Kind::kNumber: return concat(filter.name, compare, value_text(filter.number));
    case Kind::kDuration: return concat(filter.name, compare, duration_text(filter.duration_ns));
    case Kind::kBytes: return concat(filter.name, compare, bytes_text(filter.bytes));
    case Kind::kIp:
      return concat(filter.name, filter.compare == CompareOp::kEqual ? "=" : "!=", "ip(", quoted(filter.ip), ")");
    case Kind::kAnd:
    case Kind::kOr:
      return concat("( ", label_filter_text(filter.operands[0]), filter.kind == Kind::kAnd ? " , " : " or ",
                    label_filter_text(filter.operands[1]), " )");
  }
  return {};
}

std::string stage_text(const Stage& stage) { return std::visit(StageText{}, stage); }

std::string selector_text(const Selector& selector) {
  return concat("{", joined(selector.matchers, ", ", matcher_text), "}");
}

std::string expr_text(const Expr& expr) { return std::visit(ExprText{}, expr.node); }

}  // namespace server
