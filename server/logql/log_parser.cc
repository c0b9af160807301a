// The part of ParseRun for selectors and stages.
#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/pattern.h"
#include "pipeline/parse/value_text.h"
#include "server/logql/parse_run.h"

namespace server {

using pipeline::concat;
using pipeline::fail;
using pipeline::parse_go_float;

pipeline::Error parse_error(std::string_view message) {
  return {pipeline::Errc::kInvalid, concat("parse error : ", message)};
}

pipeline::Error ParseRun::unexpected(std::vector<Token> expected) const {
  const Lexeme& at = current();
  std::string text = at.token == Token::kError ? at.text : concat("syntax error: unexpected ", token_name(at.token));
  if (at.token != Token::kError && expected.size() <= 4) {
    std::sort(expected.begin(), expected.end());
    for (size_t i = 0; i < expected.size(); ++i)
      text += concat(i == 0 ? ", expecting " : " or ", token_name(expected[i]));
  }
  if (at.line == 0 && at.column == 0) return parse_error(text);
  return {pipeline::Errc::kInvalid, concat("parse error at line ", at.line, ", col ", at.column, ": ", text)};
}

Result<void> ParseRun::expect(Token token) {
  if (!take(token)) return fail(unexpected({token}));
  return {};
}

Result<std::string> ParseRun::expect_text(Token token) {
  if (this->token() != token) return fail(unexpected({token}));
  return advance().text;
}

void ParseRun::note(std::string message) {
  if (!noted_) noted_ = std::move(message);
}

// Each level costs stack, here and wherever the tree is walked.
Result<void> ParseRun::enter() {
  constexpr int kDeepest = 200;  // a sanitizer build needs some 20 KiB of stack for each
  if (++depth_ > kDeepest) return fail(parse_error("expression nests too deeply"));
  return {};
}

// A chain of operators is a tree as deep as the chain is long.
Result<void> ParseRun::count_join() {
  constexpr int kMostJoins = 1000;
  if (++joins_ > kMostJoins) return fail(parse_error("expression has too many operators"));
  return {};
}

Result<Selector> ParseRun::selector() {
  TRY(expect(Token::kOpenBrace));
  Selector out;
  if (take(Token::kCloseBrace)) return out;
  if (token() != Token::kIdentifier) return fail(unexpected({Token::kIdentifier, Token::kCloseBrace}));
  for (;;) {
    TRY_LET(std::string name, expect_text(Token::kIdentifier));
    TRY_LET(LabelMatcher matched, matcher(std::move(name)));
    out.matchers.push_back(std::move(matched));
    if (take(Token::kCloseBrace)) return out;
    if (!take(Token::kComma)) return fail(unexpected({Token::kCloseBrace, Token::kComma}));
  }
}

// What follows the name in {name="value"}, drop and keep.
Result<LabelMatcher> ParseRun::matcher(std::string name) {
  LabelMatcher out;
  out.name = std::move(name);
  switch (token()) {
    case Token::kEq: out.op = MatchOp::kEqual; break;
    case Token::kNeq: out.op = MatchOp::kNotEqual; break;
    case Token::kRe: out.op = MatchOp::kRegex; break;
    case Token::kNre: out.op = MatchOp::kNotRegex; break;
    default: return fail(unexpected({Token::kEq, Token::kNeq, Token::kRe, Token::kNre}));
  }
  advance();
  TRY_LET(out.value, expect_text(Token::kString));
  auto compiled = pipeline::Matcher::create(out.name, out.op, out.value);
  if (!compiled) return fail(parse_error(compiled.error().message));
  return out;
}

bool ParseRun::at_stage() const {
  switch (token()) {
    case Token::kPipe:
    case Token::kPipeExact:
    case Token::kPipeMatch:
    case Token::kPipePattern:
    case Token::kNeq:
    case Token::kNre:
    case Token::kNpa: return true;
    default: return false;
  }
}

// As many stages as there are. With `unwrap_out` an unwrap may end them.
Result<void> ParseRun::stages(std::vector<Stage>& out, std::optional<Unwrap>* unwrap_out) {
  while (at_stage()) {
    if (token() != Token::kPipe) {
      TRY_LET(Stage stage, line_filter());
      out.push_back(std::move(stage));
      continue;
    }
    advance();
    if (token() == Token::kUnwrap && unwrap_out) {
      TRY_LET(*unwrap_out, unwrap());
      return {};
    }
    TRY_LET(Stage stage, pipe_stage());
    out.push_back(std::move(stage));
  }
  return {};
}

Result<Stage> ParseRun::line_filter() {
  LineFilterStage out;
  switch (advance().token) {
    case Token::kPipeExact: out.op = LineFilterOp::kContains; break;
    case Token::kNeq: out.op = LineFilterOp::kNotContains; break;
    case Token::kPipeMatch: out.op = LineFilterOp::kMatches; break;
    case Token::kNre: out.op = LineFilterOp::kNotMatches; break;
    case Token::kPipePattern: out.op = LineFilterOp::kPattern; break;
    default: out.op = LineFilterOp::kNotPattern; break;
  }
  do {
    if (token() == Token::kString) {
      out.operands.push_back({advance().text, false});
    } else if (token() == Token::kIp) {
      TRY_LET(std::string address, ip_argument());
      out.operands.push_back({std::move(address), true});
    } else {
      return fail(unexpected({Token::kString, Token::kIp}));
    }
  } while (take(Token::kOr));
  return out;
}

Result<std::string> ParseRun::ip_argument() {
  advance();
  TRY(expect(Token::kOpenParen));
  TRY_LET(std::string address, expect_text(Token::kString));
  TRY(expect(Token::kCloseParen));
  return address;
}

Result<Stage> ParseRun::pipe_stage() {
  switch (token()) {
    case Token::kJson: return json();
    case Token::kLogfmt: return logfmt();
    case Token::kRegexp: return regexp();
    case Token::kPattern: return pattern();
    case Token::kUnpack: advance(); return UnpackStage{};
    case Token::kDecolorize: advance(); return DecolorizeStage{};
    case Token::kLabelFormat: return label_format();
    case Token::kLineFormat: {
      advance();
      TRY_LET(std::string form, expect_text(Token::kString));
      return LineFormatStage{std::move(form)};
    }
    case Token::kDrop: {
      advance();
      TRY_LET(auto labels, named_labels());
      return DropStage{std::move(labels)};
    }
    case Token::kKeep: {
      advance();
      TRY_LET(auto labels, named_labels());
      return KeepStage{std::move(labels)};
    }
    case Token::kIdentifier:
    case Token::kOpenParen: {
      TRY_LET(LabelFilter filter, label_filter(0));
      return LabelFilterStage{std::move(filter)};
    }
    default: return fail(unexpected());
  }
}

Result<Stage> ParseRun::json() {
  advance();
  JsonStage out;
  if (token() == Token::kIdentifier) { TRY_LET(out.extractions, extractions()); }
  return out;
}

Result<Stage> ParseRun::logfmt() {
  advance();
  LogfmtStage out;
  while (token() == Token::kFlag) {
    const Lexeme& flag = advance();
    (flag.text == "--strict" ? out.strict : out.keep_empty) = true;
  }
  if (token() == Token::kIdentifier) { TRY_LET(out.extractions, extractions()); }
  return out;
}

Result<std::vector<Extraction>> ParseRun::extractions() {
  std::vector<Extraction> out;
  do {
    TRY_LET(std::string name, expect_text(Token::kIdentifier));
    std::string expression = name;
    if (take(Token::kEq)) { TRY_LET(expression, expect_text(Token::kString)); }
    out.push_back({std::move(name), std::move(expression)});
  } while (take(Token::kComma));
  return out;
}

Result<Stage> ParseRun::regexp() {
  advance();
  TRY_LET(std::string text, expect_text(Token::kString));
  auto refuse = [](std::string_view why) { return fail(parse_error(concat("invalid regexp parser: ", why))); };
  auto regex = pipeline::Regex::compile(text);
  if (!regex) return refuse(regex.error().message);
  std::vector<std::string> names = regex->group_names();
  std::erase(names, std::string());
  if (names.empty()) return refuse("at least one named capture must be supplied");
  for (size_t i = 1; i < names.size(); ++i)
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      return refuse(concat("duplicate extracted label name '", names[i], "'"));
  return RegexpStage{std::move(text)};
}

Result<Stage> ParseRun::pattern() {
  advance();
  TRY_LET(std::string text, expect_text(Token::kString));
  auto compiled = pipeline::PatternParser::compile(text);
  if (!compiled) return fail(parse_error(concat("invalid pattern parser: ", compiled.error().message)));
  return PatternStage{std::move(text)};
}

Result<Stage> ParseRun::label_format() {
  advance();
  LabelFormatStage out;
  do {
    LabelFormat format;
    TRY_LET(format.target, expect_text(Token::kIdentifier));
    TRY(expect(Token::kEq));
    if (token() != Token::kIdentifier && token() != Token::kString)
      return fail(unexpected({Token::kIdentifier, Token::kString}));
    format.is_rename = token() == Token::kIdentifier;
    format.source = advance().text;
    out.formats.push_back(std::move(format));
  } while (take(Token::kComma));
  return out;
}

Result<std::vector<NamedLabel>> ParseRun::named_labels() {
  std::vector<NamedLabel> out;
  do {
    NamedLabel label;
    TRY_LET(label.name, expect_text(Token::kIdentifier));
    if (token() == Token::kEq || token() == Token::kNeq || token() == Token::kRe || token() == Token::kNre) {
      TRY_LET(label.matcher, matcher(label.name));
    }
    out.push_back(std::move(label));
  } while (take(Token::kComma));
  return out;
}

namespace {

LabelFilter both_or_either(LabelFilter::Kind kind, LabelFilter left, LabelFilter right) {
  LabelFilter out;
  out.kind = kind;
  out.operands.push_back(std::move(left));
  out.operands.push_back(std::move(right));
  return out;
}

}  // namespace

// `or` binds at level 1, `and` at 2. A comma, or nothing at all, takes everything to its right as its right side.
Result<LabelFilter> ParseRun::label_filter(int lowest) {
  TRY(enter());
  TRY_LET(LabelFilter out, label_filter_chain(lowest));
  leave();
  return out;
}

Result<LabelFilter> ParseRun::label_filter_chain(int lowest) {
  using Kind = LabelFilter::Kind;
  TRY_LET(LabelFilter left, label_filter_operand());
  for (;;) {
    const Token here = token();
    if (here == Token::kComma || here == Token::kIdentifier || here == Token::kOpenParen) {
      take(Token::kComma);
      TRY(count_join());
      TRY_LET(LabelFilter right, label_filter(0));
      left = both_or_either(Kind::kAnd, std::move(left), std::move(right));
      continue;
    }
    const int level = here == Token::kOr ? 1 : here == Token::kAnd ? 2 : 0;
    if (level == 0 || level < lowest) return left;
    advance();
    TRY(count_join());
    TRY_LET(LabelFilter right, label_filter(level + 1));
    left = both_or_either(level == 1 ? Kind::kOr : Kind::kAnd, std::move(left), std::move(right));
  }
}

Result<LabelFilter> ParseRun::label_filter_operand() {
  if (take(Token::kOpenParen)) {
    TRY_LET(LabelFilter inner, label_filter(0));
    if (!take(Token::kCloseParen)) return fail(unexpected());
    return inner;
  }
  if (token() != Token::kIdentifier) return fail(unexpected({Token::kIdentifier, Token::kOpenParen}));
  return compared_label(advance().text);
}

// What follows the name in a label filter.
Result<LabelFilter> ParseRun::compared_label(std::string name) {
  LabelFilter out;
  const Token op = token();
  const bool may_be_text = op == Token::kEq || op == Token::kNeq;
  if (op == Token::kRe || op == Token::kNre || (may_be_text && (next_is(Token::kString)))) {
    TRY_LET(out.matcher, matcher(std::move(name)));
    return out;
  }
  out.name = std::move(name);
  switch (op) {
    case Token::kEq:
    case Token::kCompareEq: out.compare = CompareOp::kEqual; break;
    case Token::kNeq: out.compare = CompareOp::kNotEqual; break;
    case Token::kGreater: out.compare = CompareOp::kGreater; break;
    case Token::kGreaterEqual: out.compare = CompareOp::kGreaterEqual; break;
    case Token::kLess: out.compare = CompareOp::kLess; break;
    case Token::kLessEqual: out.compare = CompareOp::kLessEqual; break;
    default: return fail(unexpected());
  }
  advance();
  switch (token()) {
    case Token::kIp: {
      if (!may_be_text) return fail(unexpected());
      out.kind = LabelFilter::Kind::kIp;
      TRY_LET(out.ip, ip_argument());
      return out;
    }
    case Token::kDuration:
      out.kind = LabelFilter::Kind::kDuration;
      out.duration_ns = advance().duration_ns;
      return out;
    case Token::kBytes:
      out.kind = LabelFilter::Kind::kBytes;
      out.bytes = advance().bytes;
      return out;
    case Token::kAdd:
    case Token::kSubtract:
    case Token::kNumber: {
      out.kind = LabelFilter::Kind::kNumber;
      const bool negative = take(Token::kSubtract);
      if (!negative) take(Token::kAdd);
      TRY_LET(const std::string digits, expect_text(Token::kNumber));
      auto value = parse_go_float(digits);
      // 0x1F is no float for Go, but fine here (logql.md 13.4).
      out.number =
          (negative ? -1 : 1) * (value ? *value : static_cast<double>(std::strtoull(digits.c_str(), nullptr, 0)));
      return out;
    }
    default: return fail(unexpected());
  }
}

Result<Unwrap> ParseRun::unwrap() {
  advance();
  Unwrap out;
  switch (token()) {
    case Token::kIdentifier: out.label = advance().text; break;
    case Token::kBytesConversion:
    case Token::kDurationConversion:
    case Token::kDurationSecondsConversion: {
      out.conversion = token() == Token::kBytesConversion ? UnwrapConversion::kBytes : UnwrapConversion::kDuration;
      out.conversion_text = advance().text;
      TRY(expect(Token::kOpenParen));
      TRY_LET(out.label, expect_text(Token::kIdentifier));
      TRY(expect(Token::kCloseParen));
      break;
    }
    default:
      return fail(unexpected({Token::kIdentifier, Token::kBytesConversion, Token::kDurationConversion,
                              Token::kDurationSecondsConversion}));
  }
  while (take(Token::kPipe)) {
    TRY_LET(LabelFilter filter, label_filter(0));
    out.post_filters.push_back(std::move(filter));
  }
  return out;
}

}  // namespace server
