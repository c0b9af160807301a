// The tokens of JMESPath expressions. For jmespath_parser.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

struct JmesToken {
  enum class Kind : uint8_t {
    kStar,
    kDot,
    kFilter,   // [?
    kFlatten,  // []
    kOpenParen,
    kCloseParen,
    kOpenBracket,
    kCloseBracket,
    kOpenBrace,
    kCloseBrace,
    kOr,
    kPipe,
    kNumber,
    kIdentifier,
    kQuoted,
    kComma,
    kColon,
    kPlus,
    kMinus,
    kMultiply,
    kDivide,
    kModulo,
    kDivideWhole,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kEqual,
    kUnequal,
    kJson,
    kText,
    kCurrent,
    kRoot,
    kExpression,
    kAnd,
    kNot,
    kVariable,
    kAssign,
    kEnd
  };
  Kind kind = Kind::kEnd;
  std::string text{};  // decoded

  static std::string_view name_of(Kind kind);  // TOKStar, as messages have it
  std::string_view name() const { return name_of(kind); }
};

// The last one is kEnd. kInvalid: `SyntaxError: Unknown char: '#'`.
Result<std::vector<JmesToken>> jmespath_tokens(std::string_view expression);

}  // namespace pipeline
