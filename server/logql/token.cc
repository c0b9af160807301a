// The words of LogQL.
#include "server/logql/token.h"

#include <algorithm>
#include <array>

namespace server {
namespace {

struct Word {
  std::string_view text;
  Token token;
};

constexpr Word kReserved[] = {
    {"by", Token::kBy},
    {"without", Token::kWithout},
    {"bool", Token::kBool},
    {"offset", Token::kOffset},
    {"on", Token::kOn},
    {"ignoring", Token::kIgnoring},
    {"group_left", Token::kGroupLeft},
    {"group_right", Token::kGroupRight},
    {"or", Token::kOr},
    {"and", Token::kAnd},
    {"unless", Token::kUnless},
    {"unwrap", Token::kUnwrap},
    {"json", Token::kJson},
    {"logfmt", Token::kLogfmt},
    {"regexp", Token::kRegexp},
    {"pattern", Token::kPattern},
    {"unpack", Token::kUnpack},
    {"line_format", Token::kLineFormat},
    {"label_format", Token::kLabelFormat},
    {"decolorize", Token::kDecolorize},
    {"drop", Token::kDrop},
    {"keep", Token::kKeep},
};

// Keywords only in front of an opening parenthesis (or by/without and one).
constexpr Word kFunctions[] = {
    {"rate", Token::kRate},
    {"rate_counter", Token::kRateCounter},
    {"count_over_time", Token::kCountOverTime},
    {"bytes_rate", Token::kBytesRate},
    {"bytes_over_time", Token::kBytesOverTime},
    {"avg_over_time", Token::kAvgOverTime},
    {"sum_over_time", Token::kSumOverTime},
    {"min_over_time", Token::kMinOverTime},
    {"max_over_time", Token::kMaxOverTime},
    {"stdvar_over_time", Token::kStdvarOverTime},
    {"stddev_over_time", Token::kStddevOverTime},
    {"quantile_over_time", Token::kQuantileOverTime},
    {"first_over_time", Token::kFirstOverTime},
    {"last_over_time", Token::kLastOverTime},
    {"absent_over_time", Token::kAbsentOverTime},
    {"vector", Token::kVector},
    {"sum", Token::kSum},
    {"avg", Token::kAvg},
    {"max", Token::kMax},
    {"min", Token::kMin},
    {"count", Token::kCount},
    {"stddev", Token::kStddev},
    {"stdvar", Token::kStdvar},
    {"bottomk", Token::kBottomK},
    {"topk", Token::kTopK},
    {"approx_topk", Token::kApproxTopK},
    {"sort", Token::kSort},
    {"sort_desc", Token::kSortDesc},
    {"label_replace", Token::kLabelReplace},
    {"bytes", Token::kBytesConversion},
    {"duration", Token::kDurationConversion},
    {"duration_seconds", Token::kDurationSecondsConversion},
    {"ip", Token::kIp},
    {"variants", Token::kVariants},
};

constexpr Word kOperators[] = {
    {"|=", Token::kPipeExact},    {"|~", Token::kPipeMatch}, {"|>", Token::kPipePattern}, {"!=", Token::kNeq},
    {"!~", Token::kNre},          {"!>", Token::kNpa},       {"=~", Token::kRe},          {"==", Token::kCompareEq},
    {">=", Token::kGreaterEqual}, {"<=", Token::kLessEqual}, {"|", Token::kPipe},         {"=", Token::kEq},
    {">", Token::kGreater},       {"<", Token::kLess},       {"{", Token::kOpenBrace},    {"}", Token::kCloseBrace},
    {"(", Token::kOpenParen},     {")", Token::kCloseParen}, {",", Token::kComma},        {".", Token::kDot},
    {"+", Token::kAdd},           {"-", Token::kSubtract},   {"*", Token::kMultiply},     {"/", Token::kDivide},
    {"%", Token::kModulo},        {"^", Token::kPower},
};

template <size_t N>
std::optional<Token> find_word(const Word (&words)[N], std::string_view text) {
  const Word* found = std::find_if(words, words + N, [&](const Word& word) { return word.text == text; });
  if (found == words + N) return std::nullopt;
  return found->token;
}

}  // namespace

std::optional<Token> find_reserved(std::string_view word) { return find_word(kReserved, word); }
std::optional<Token> find_function(std::string_view word) { return find_word(kFunctions, word); }
std::optional<Token> find_operator(std::string_view text) { return find_word(kOperators, text); }

std::string_view token_name(Token token) {
  switch (token) {
    case Token::kEnd: return "$end";
    case Token::kError: return "error";
    case Token::kBytes: return "BYTES";
    case Token::kUnknown:
    case Token::kIdentifier: return "IDENTIFIER";
    case Token::kString: return "STRING";
    case Token::kNumber: return "NUMBER";
    case Token::kFlag: return "FUNCTION_FLAG";
    case Token::kDuration: return "DURATION";
    case Token::kRange: return "RANGE";
    case Token::kBytesConversion: return "BYTES_CONV";
    case Token::kDurationConversion: return "DURATION_CONV";
    case Token::kDurationSecondsConversion: return "DURATION_SECONDS_CONV";
    default: break;
  }
  for (const Word& word : kReserved)
    if (word.token == token) return word.text;
  for (const Word& word : kOperators)
    if (word.token == token) return word.text;
  for (const Word& word : kFunctions) {
    if (word.token != token) continue;
    if (token == Token::kIp || token == Token::kLabelReplace || token == Token::kVariants) return word.text;
    static const auto capitals = [] {
      std::array<std::string, std::size(kFunctions)> names;
      for (size_t i = 0; i < names.size(); ++i)
        for (char c : kFunctions[i].text) names[i] += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      return names;
    }();
    return capitals[static_cast<size_t>(&word - kFunctions)];
  }
  return "?";
}

}  // namespace server
