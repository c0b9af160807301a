#include "pipeline/parse/logfmt.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/json_scan.h"

namespace pipeline {

namespace {
bool separates(char c) { return static_cast<unsigned char>(c) <= ' '; }

// The first byte from `at` on that ends a key or a plain value: a separator, = or ". `high` is set if a byte before it
// is no ASCII.
size_t token_end(std::string_view line, size_t at, bool& high) {
  const __m128i space = _mm_set1_epi8(' '), equals = _mm_set1_epi8('='), quote = _mm_set1_epi8('"');
  for (; line.size() - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.data() + at));
    __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes),
                                _mm_or_si128(_mm_cmpeq_epi8(bytes, equals), _mm_cmpeq_epi8(bytes, quote)));
    auto stops = static_cast<uint32_t>(_mm_movemask_epi8(ends)),
         highs = static_cast<uint32_t>(_mm_movemask_epi8(bytes));
    if (stops != 0) {
      auto first = static_cast<uint32_t>(__builtin_ctz(stops));
      high |= (highs & ((1u << first) - 1)) != 0;
      return at + first;
    }
    high |= highs != 0;
  }
  for (; at < line.size() && !separates(line[at]) && line[at] != '=' && line[at] != '"'; ++at) {
    high |= static_cast<unsigned char>(line[at]) >= 0x80;
  }
  return at;
}

bool has_known_escapes(std::string_view text) {
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); };
  for (size_t at = text.find('\\'); at < text.size(); at = text.find('\\', at)) {
    char c = text[at + 1];
    at += 2;
    if (c == 'u') {
      if (text.size() - at < 4 || !std::all_of(&text[at], &text[at] + 4, is_hex)) return false;
    } else if (std::string_view("\"\\/'bfnrt").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}
}  // namespace

LogfmtScanner::Step LogfmtScanner::fail(Fault what, size_t at, char unexpected) {
  fault_ = what;
  fault_at_ = at;
  unexpected_ = unexpected;
  recovering_ = true;
  return Step::kFault;
}

LogfmtScanner::Step LogfmtScanner::next(LogfmtPair& pair) {
  if (recovering_) {
    while (at_ < line_.size() && !separates(line_[at_])) ++at_;
    recovering_ = false;
  }
  while (at_ < line_.size() && separates(line_[at_])) ++at_;
  if (at_ == line_.size()) return Step::kEnd;

  size_t begin = at_;
  bool high = false;
  at_ = token_end(line_, at_, high);
  if (at_ < line_.size() && line_[at_] == '"') return fail(Fault::kUnexpected, at_, '"');
  pair = {.key = line_.substr(begin, at_ - begin), .value = {}, .escaped = false, .ascii_key = !high};
  if (high && !is_valid_utf8(pair.key)) return fail(Fault::kInvalidKey, at_);
  if (pair.key.empty()) return fail(Fault::kUnexpected, at_, '=');
  if (at_ == line_.size() || line_[at_] != '=') return Step::kPair;
  ++at_;
  if (at_ < line_.size() && line_[at_] == '"') return quoted_value(pair);
  begin = at_;
  at_ = token_end(line_, at_, high);
  if (at_ < line_.size() && !separates(line_[at_])) return fail(Fault::kUnexpected, at_, line_[at_]);
  pair.value = line_.substr(begin, at_ - begin);
  return Step::kPair;
}

LogfmtScanner::Step LogfmtScanner::quoted_value(LogfmtPair& pair) {
  size_t begin = at_ + 1;
  bool control = false;
  const char* end = line_.data() + line_.size();
  const char* close = json_scan::string_end(line_.data() + begin, end, pair.escaped, control);
  at_ = static_cast<size_t>((close == nullptr ? end : close) - line_.data());
  if (close == nullptr) return fail(Fault::kUnterminated, at_);
  pair.value = line_.substr(begin, at_ - begin);
  ++at_;
  return pair.escaped && !has_known_escapes(pair.value) ? fail(Fault::kInvalidQuoted, at_) : Step::kPair;
}

std::string LogfmtScanner::fault() const {
  std::string what;
  switch (fault_) {
    case Fault::kUnexpected: what = concat("unexpected '", std::string_view(&unexpected_, 1), "'"); break;
    case Fault::kUnterminated: what = "unterminated quoted value"; break;
    case Fault::kInvalidQuoted: what = "invalid quoted value"; break;
    case Fault::kInvalidKey: what = "invalid key"; break;
  }
  return concat("logfmt syntax error at pos ", fault_at_ + 1, " : ", what);
}

std::string_view logfmt_text(const LogfmtPair& pair, Arena& arena) {
  if (!pair.escaped) return pair.value;
  JsonValue text{.kind = JsonKind::kString, .escaped = true, .raw = pair.value};
  if (pair.value.find("\\'") == std::string_view::npos) return json_text(text, arena).value_or("");
  // \' is an escape of logfmt only
  std::string plain;
  for (size_t at = 0; at < pair.value.size(); ++at) {
    if (pair.value[at] == '\\' && at + 1 < pair.value.size()) {
      if (pair.value[at + 1] != '\'') plain.push_back('\\');
      ++at;
    }
    plain.push_back(pair.value[at]);
  }
  text.raw = arena.copy(plain);
  return json_text(text, arena).value_or("");
}

}  // namespace pipeline
