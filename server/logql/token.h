// Tokens of LogQL, numbered in the order in which syntax errors list what they expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace server {

enum class Token : uint8_t {
  kEnd,
  kError,    // Lexeme::text is the message
  kUnknown,  // a character that begins nothing; errors call it IDENTIFIER
  kBytes,
  kIdentifier,
  kString,
  kNumber,
  kFlag,
  kDuration,
  kRange,
  kEq,
  kRe,
  kNre,
  kNpa,
  kOpenBrace,
  kCloseBrace,
  kComma,
  kDot,
  kPipeMatch,
  kPipeExact,
  kPipePattern,
  kOpenParen,
  kCloseParen,
  kBy,
  kWithout,
  kCountOverTime,
  kRate,
  kRateCounter,
  kSum,
  kSort,
  kSortDesc,
  kAvg,
  kMax,
  kMin,
  kCount,
  kStddev,
  kStdvar,
  kBottomK,
  kTopK,
  kApproxTopK,
  kBytesOverTime,
  kBytesRate,
  kBool,
  kJson,
  kRegexp,
  kLogfmt,
  kPipe,
  kLineFormat,
  kLabelFormat,
  kUnwrap,
  kAvgOverTime,
  kSumOverTime,
  kMinOverTime,
  kMaxOverTime,
  kStdvarOverTime,
  kStddevOverTime,
  kQuantileOverTime,
  kBytesConversion,
  kDurationConversion,
  kDurationSecondsConversion,
  kFirstOverTime,
  kLastOverTime,
  kAbsentOverTime,
  kVector,
  kLabelReplace,
  kUnpack,
  kOffset,
  kPattern,
  kIp,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kDecolorize,
  kDrop,
  kKeep,
  kVariants,
  kOr,
  kAnd,
  kUnless,
  kCompareEq,
  kNeq,
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

// As syntax errors call it: "$end", "IDENTIFIER", "|=", "by", "COUNT_OVER_TIME".
std::string_view token_name(Token token);

// Words in lower case: keywords everywhere, and keywords only in front of an opening parenthesis.
std::optional<Token> find_reserved(std::string_view word);
std::optional<Token> find_function(std::string_view word);
std::optional<Token> find_operator(std::string_view text);

// A token with where it stands and what it says.
struct Lexeme {
  Token token = Token::kEnd;
  std::string text;  // kIdentifier, kFlag, kNumber: as written; kString: the value; kError: the message
  int64_t duration_ns = 0;
  uint64_t bytes = 0;
  // 1-based, in characters. The line of a token that the scanner had to extend is 0, as in Loki.
  uint32_t line = 0, column = 0;
};

// All lexemes of `text`; the last is kEnd or kError. The first lexical fault ends the list.
std::vector<Lexeme> tokenize(std::string_view text);

}  // namespace server
