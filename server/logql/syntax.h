// The syntax tree of LogQL, for the whole language. Plain values: parse_query() makes a tree, nobody changes it after.
//
// The grammar is Loki's. What the tree says is what was written, except: literals are folded (1 + 2 is one Literal),
// parentheses are gone, durations are nanoseconds and sizes bytes.
// Thread: any, as long as nobody changes the tree.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/match/line_filter.h"
#include "pipeline/match/matcher.h"

namespace server {

using pipeline::LineFilterOp;
using pipeline::LineFilterOperand;
using pipeline::MatchOp;

// --- log expressions: {selector} stage stage ...

// One condition of a selector, of a string label filter, of drop and keep. Its regular expression is known to compile.
struct LabelMatcher {
  std::string name;
  MatchOp op = MatchOp::kEqual;
  std::string value;
  bool operator==(const LabelMatcher&) const = default;
};

struct Selector {
  std::vector<LabelMatcher> matchers;  // all of them match; only stream labels are looked at
  bool operator==(const Selector&) const = default;
};

// |= "a" or "b" or ip("10.0.0.1")
struct LineFilterStage {
  LineFilterOp op = LineFilterOp::kContains;
  std::vector<LineFilterOperand> operands;  // at least one
};

// name="expression" of json and logfmt; a bare name is name="name".
struct Extraction {
  std::string name, expression;
};
struct JsonStage {
  std::vector<Extraction> extractions;  // empty: every member
};
struct LogfmtStage {
  bool strict = false, keep_empty = false;
  std::vector<Extraction> extractions;  // empty: every pair
};
struct RegexpStage {
  std::string regex;  // compiles and names at least one group
};
struct PatternStage {
  std::string pattern;
};
struct UnpackStage {};

enum class CompareOp : uint8_t { kEqual, kNotEqual, kGreater, kGreaterEqual, kLess, kLessEqual };
std::string_view compare_op_text(CompareOp op);  // == != > >= < <=

// A condition on the labels of an entry.
struct LabelFilter {
  enum class Kind : uint8_t {
    kString,    // matcher
    kNumber,    // name compare number
    kDuration,  // name compare duration_ns
    kBytes,     // name compare bytes
    kIp,        // name = or != ip("ip"); compare is kEqual or kNotEqual
    kAnd,       // both operands
    kOr,        // either operand
  };
  Kind kind = Kind::kString;
  LabelMatcher matcher;  // kString
  std::string name;      // kNumber, kDuration, kBytes, kIp
  CompareOp compare = CompareOp::kEqual;
  double number = 0;
  int64_t duration_ns = 0;
  uint64_t bytes = 0;
  std::string ip;
  std::vector<LabelFilter> operands;  // kAnd, kOr: two
};
struct LabelFilterStage {
  LabelFilter filter;
};

struct LineFormatStage {
  std::string form;  // a Go template
};
// target=source (rename) or target="template".
struct LabelFormat {
  std::string target, source;
  bool is_rename = false;
};
struct LabelFormatStage {
  std::vector<LabelFormat> formats;
};
// A name, or a matcher on its value.
struct NamedLabel {
  std::string name;
  std::optional<LabelMatcher> matcher;
};
struct DropStage {
  std::vector<NamedLabel> labels;
};
struct KeepStage {
  std::vector<NamedLabel> labels;
};
struct DecolorizeStage {};

using Stage = std::variant<LineFilterStage, JsonStage, LogfmtStage, RegexpStage, PatternStage, UnpackStage,
                           LabelFilterStage, LineFormatStage, LabelFormatStage, DropStage, KeepStage, DecolorizeStage>;

struct LogExpr {
  Selector selector;
  std::vector<Stage> stages;
};

// --- metric expressions

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class UnwrapConversion : uint8_t { kNone, kDuration, kBytes };  // kDuration: seconds
struct Unwrap {
  std::string label;
  UnwrapConversion conversion = UnwrapConversion::kNone;
  std::string conversion_text;            // as written: "", duration, duration_seconds, bytes
  std::vector<LabelFilter> post_filters;  // after the conversion, in order
};

// {selector} stages [range] offset o, with or without unwrap.
struct LogRange {
  LogExpr log;
  std::optional<Unwrap> unwrap;
  int64_t range_ns = 0;   // the window at instant T is (T - offset - range, T - offset]
  int64_t offset_ns = 0;  // negative: into the future
};

struct Grouping {
  bool without = false;  // else by
  std::vector<std::string> labels;
};

enum class RangeOp : uint8_t {
  kCountOverTime,
  kRate,
  kRateCounter,
  kBytesOverTime,
  kBytesRate,
  kAvgOverTime,
  kSumOverTime,
  kMinOverTime,
  kMaxOverTime,
  kStdvarOverTime,
  kStddevOverTime,
  kQuantileOverTime,
  kFirstOverTime,
  kLastOverTime,
  kAbsentOverTime,
};
std::string_view range_op_text(RangeOp op);

struct RangeAggregation {
  RangeOp op = RangeOp::kCountOverTime;
  std::optional<double> parameter;  // quantile_over_time
  LogRange range;
  std::optional<Grouping> grouping;
};

enum class VectorOp : uint8_t {
  kSum,
  kAvg,
  kCount,
  kMax,
  kMin,
  kStddev,
  kStdvar,
  kBottomK,
  kTopK,
  kSort,
  kSortDesc,
  kApproxTopK,
};
std::string_view vector_op_text(VectorOp op);

struct VectorAggregation {
  VectorOp op = VectorOp::kSum;
  int64_t k = 0;                     // topk, bottomk, approx_topk: > 0
  std::optional<Grouping> grouping;  // none: one group without labels
  ExprPtr inner;                     // a metric expression
};

enum class BinaryOp : uint8_t {
  kOr,
  kAnd,
  kUnless,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
};
std::string_view binary_op_text(BinaryOp op);
bool is_comparison(BinaryOp op);
bool is_set_operation(BinaryOp op);

struct VectorMatching {
  enum class Cardinality : uint8_t { kOneToOne, kManyToOne, kOneToMany };  // kManyToOne: group_left
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;                   // match on `labels`, else on all but `labels`
  std::vector<std::string> labels;   // of on() or ignoring()
  std::vector<std::string> include;  // of group_left() or group_right()
};

struct BinaryOperation {
  BinaryOp op = BinaryOp::kAdd;
  bool return_bool = false;
  VectorMatching matching;
  ExprPtr left, right;  // metric expressions
};

struct Literal {
  double value = 0;
};
struct VectorLiteral {  // vector(value)
  double value = 0;
};
struct LabelReplace {
  ExprPtr inner;
  std::string destination, replacement, source, regex;
};

// A query: a log expression (only at the top) or a metric expression.
struct Expr {
  std::variant<LogExpr, RangeAggregation, VectorAggregation, BinaryOperation, Literal, VectorLiteral, LabelReplace>
      node;

  const LogExpr* log() const { return std::get_if<LogExpr>(&node); }  // nullptr: a metric expression
};

// --- canonical text, as Loki's error messages show it (strings are Go-quoted)

std::string stage_text(const Stage& stage);  // |= "x" or "y";  | json a="b.c",d="d";  | ( a==1 , b=="x" )
std::string label_filter_text(const LabelFilter& filter);
std::string selector_text(const Selector& selector);  // {app="foo", env=~"a.*"}
std::string expr_text(const Expr& expr);              // the whole query, one line

}  // namespace server
