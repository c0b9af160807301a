// The scanner underneath follows Go's text/scanner: literals, comments, positions.
#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/base/concat.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/value_text.h"
#include "server/logql/token.h"

namespace server {
namespace {

using pipeline::append_utf8;
using pipeline::concat;
using pipeline::parse_go_duration;
using pipeline::parse_human_bytes;
using pipeline::parse_prometheus_duration;
using pipeline::take_utf8;

constexpr uint32_t kNoCharacter = UINT32_MAX;  // end of input

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

bool is_space(uint32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }

struct CodeRange {
  uint32_t first, last;
};
// Beyond ASCII: what is certainly no letter (spaces, punctuation, symbols, private use). The rest counts as letters.
constexpr CodeRange kNoLetters[] = {{0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},      {0xbb, 0xbf},
                                    {0xd7, 0xd7},     {0xf7, 0xf7},     {0x2000, 0x2070},  {0x2074, 0x207e},
                                    {0x2080, 0x208f}, {0x20a0, 0x20ff}, {0x2190, 0x2bff},  {0x2e00, 0x2e7f},
                                    {0x3000, 0x3004}, {0x3008, 0x3030}, {0xd800, 0xf8ff},  {0xfe00, 0xfe6f},
                                    {0xff00, 0xff0f}, {0xfff0, 0xffff}, {0x1f000, 0x1faff}};

bool is_letter(uint32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (c == kNoCharacter) return false;
  return std::none_of(std::begin(kNoLetters), std::end(kNoLetters),
                      [c](const CodeRange& range) { return c >= range.first && c <= range.last; });
}

// The text with a place in it. Copies are cheap, to look ahead.
struct Cursor {
  std::string_view text;
  size_t at = 0;
  uint32_t line = 1, column = 1;  // of the character at `at`

  uint32_t peek() const {
    if (at >= text.size()) return kNoCharacter;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) return byte;
    size_t next = at;
    return take_utf8(text, next);
  }
  uint32_t next() {
    if (at >= text.size()) return kNoCharacter;
    const uint32_t c = take_utf8(text, at);
    if (c == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
    return c;
  }
  void skip_space() {
    while (is_space(peek())) next();
  }
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) { cursor_.text = text; }

  std::vector<Lexeme> run() {
    if (cursor_.text.starts_with("\xef\xbb\xbf")) cursor_.at = 3;
    while (scan()) {}
    return std::move(lexemes_);
  }

 private:
  bool scan();
  bool skip_blank();
  bool fail(std::string message, bool extended = false);
  bool emit(Token token, std::string text = {}, bool extended = false);
  void consume(size_t bytes) {
    const size_t end = cursor_.at + bytes;
    while (cursor_.at < end) cursor_.next();
  }

  bool scan_string();
  bool scan_escape();
  bool scan_raw_string();
  bool scan_character();
  bool scan_range();
  bool scan_number();
  bool scan_digits();
  bool scan_word();
  bool scan_minus();
  bool scan_operator();
  bool extend_to_duration(std::string_view number);
  bool extend_to_bytes(std::string_view number);
  std::string_view since_start() const { return cursor_.text.substr(start_, cursor_.at - start_); }

  Cursor cursor_;
  size_t start_ = 0;  // of the current token
  uint32_t line_ = 0, column_ = 0;
  std::vector<Lexeme> lexemes_;
};

bool Scanner::fail(std::string message, bool extended) {
  Lexeme lexeme;
  lexeme.token = Token::kError;
  lexeme.text = std::move(message);
  lexeme.line = extended ? 0 : line_;
  lexeme.column = column_;
  lexemes_.push_back(std::move(lexeme));
  return false;
}

bool Scanner::emit(Token token, std::string text, bool extended) {
  Lexeme lexeme;
  lexeme.token = token;
  lexeme.text = std::move(text);
  lexeme.line = extended ? 0 : line_;
  lexeme.column = column_;
  lexemes_.push_back(std::move(lexeme));
  return token != Token::kEnd;
}

bool Scanner::skip_blank() {
  for (;;) {
    cursor_.skip_space();
    const std::string_view rest = cursor_.text.substr(cursor_.at);
    if (rest.starts_with("#") || rest.starts_with("//")) {
      while (cursor_.peek() != '\n' && cursor_.peek() != kNoCharacter) cursor_.next();
    } else if (rest.starts_with("/*")) {
      const size_t end = rest.find("*/", 2);
      if (end == std::string_view::npos) {
        line_ = cursor_.line;
        column_ = cursor_.column;
        return fail("comment not terminated");
      }
      consume(end + 2);
    } else {
      return true;
    }
  }
}

bool Scanner::scan() {
  if (!skip_blank()) return false;
  start_ = cursor_.at;
  line_ = cursor_.line;
  column_ = cursor_.column;
  const uint32_t c = cursor_.peek();
  if (c == kNoCharacter) {
    if (cursor_.text.empty()) line_ = column_ = 0;
    return emit(Token::kEnd);
  }
  if (c == 0) return fail("invalid character NUL");
  if (c == '"') return scan_string();
  if (c == '`') return scan_raw_string();
  if (c == '\'') return scan_character();
  if (c == '[') return scan_range();
  if (is_digit(c)) return scan_number();
  if (c == '.' && cursor_.at + 1 < cursor_.text.size() &&
      is_digit(static_cast<unsigned char>(cursor_.text[cursor_.at + 1])))
    return scan_number();
  if (is_letter(c)) return scan_word();
  if (c == '-') return scan_minus();
  return scan_operator();
}

bool Scanner::scan_escape() {
  const uint32_t c = cursor_.next();
  if (c < 0x80 && std::string_view("abfnrtv\\\"").find(static_cast<char>(c)) != std::string_view::npos) return true;
  size_t digits = 0;
  bool octal = false;
  if (c >= '0' && c <= '7') {
    octal = true;
    digits = 2;
  } else if (c == 'x') {
    digits = 2;
  } else if (c == 'u') {
    digits = 4;
  } else if (c == 'U') {
    digits = 8;
  } else {
    return fail("invalid char escape");
  }
  for (; digits > 0; --digits) {
    const uint32_t d = cursor_.peek();
    const bool fits =
        octal ? (d >= '0' && d <= '7') : (is_digit(d) || (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F'));
    if (!fits) return fail("invalid char escape");
    cursor_.next();
  }
  return true;
}

bool Scanner::scan_string() {
  cursor_.next();
  for (;;) {
    const size_t before = cursor_.at;
    const uint32_t c = cursor_.next();
    if (c == '\n' || c == kNoCharacter) return fail("literal not terminated");
    if (c == 0) return fail("invalid character NUL");
    if (c == 0xfffd && cursor_.at - before == 1) return fail("invalid UTF-8 encoding");
    if (c == '"') break;
    if (c == '\\' && !scan_escape()) return false;
  }
  const std::string_view literal = since_start();
  size_t at = 0;
  auto value = pipeline::take_quoted(literal, at);
  if (!value || at != literal.size()) return fail("invalid syntax");
  return emit(Token::kString, *std::move(value));
}

bool Scanner::scan_raw_string() {
  const size_t end = cursor_.text.find('`', cursor_.at + 1);
  if (end == std::string_view::npos) return fail("literal not terminated");
  consume(end + 1 - cursor_.at);
  const std::string_view inside = cursor_.text.substr(start_ + 1, end - start_ - 1);
  if (inside.find('\0') != std::string_view::npos) return fail("invalid character NUL");
  if (!pipeline::is_valid_utf8(inside)) return fail("invalid UTF-8 encoding");
  std::string value(inside);
  std::erase(value, '\r');  // as Go's raw strings
  return emit(Token::kString, std::move(value));
}

// '...' is never a text.
bool Scanner::scan_character() {
  cursor_.next();
  for (;;) {
    const uint32_t c = cursor_.next();
    if (c == '\n' || c == kNoCharacter) return fail("literal not terminated");
    if (c == '\\') cursor_.next();
    if (c == '\'') return fail("invalid char literal");
  }
}

// [5m] is one token; everything up to the bracket is the duration.
bool Scanner::scan_range() {
  cursor_.next();
  const size_t end = cursor_.text.find(']', cursor_.at);
  if (end == std::string_view::npos) return fail("missing closing ']' in duration", true);
  const std::string_view inside = cursor_.text.substr(cursor_.at, end - cursor_.at);
  consume(inside.size() + 1);
  auto duration = parse_prometheus_duration(inside);
  if (!duration) return fail(duration.error().message, true);
  emit(Token::kRange, {}, true);
  lexemes_.back().duration_ns = *duration;
  return true;
}

// The digits of a Go number literal; what they mean is decided later.
bool Scanner::scan_digits() {
  const std::string_view rest = cursor_.text.substr(cursor_.at);
  size_t at = 0;
  auto byte = [&](size_t i) { return i < rest.size() ? lower(rest.substr(i, 1))[0] : '\0'; };
  int base = 10;
  char prefix = 0;
  if (byte(0) == '0' && (byte(1) == 'x' || byte(1) == 'b' || byte(1) == 'o')) {
    prefix = byte(1);
    base = prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8;
    at = 2;
  }
  char bad_digit = 0;
  size_t digits = 0;
  bool is_float = false;
  auto take_digits = [&] {
    for (;; ++at) {
      const char c = byte(at);
      const int value = c >= '0' && c <= '9' ? c - '0' : (base == 16 && c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
      if (value < 0 && c != '_') return;
      if (c == '_') continue;
      ++digits;
      const int limit = base == 10 && !prefix && rest[0] == '0' ? 8 : base;
      if (value >= limit && !bad_digit) bad_digit = c;
    }
  };
  take_digits();
  if (byte(at) == '.') {
    is_float = true;
    ++at;
    take_digits();
  }
  if (digits == 0 && prefix) {
    consume(at);
    return fail(concat(prefix == 'x' ? "hexadecimal" : prefix == 'b' ? "binary" : "octal", " literal has no digits"));
  }
  if ((byte(at) == 'e' && base == 10 && !prefix) || (byte(at) == 'p' && prefix == 'x')) {
    is_float = true;
    ++at;
    if (byte(at) == '+' || byte(at) == '-') ++at;
    const size_t exponent = at;
    while (is_digit(static_cast<unsigned char>(byte(at))) || byte(at) == '_') ++at;
    if (at == exponent) {
      consume(at);
      return fail("exponent has no digits");
    }
  } else if (is_float && prefix == 'x') {
    consume(at);
    return fail("hexadecimal mantissa requires a 'p' exponent");
  }
  consume(at);
  if (is_float && prefix && prefix != 'x')
    return fail(concat("invalid radix point in ", prefix == 'b' ? "binary" : "octal", " literal"));
  if (!is_float && bad_digit)
    return fail(concat("invalid digit '", std::string_view(&bad_digit, 1), "' in ", base == 2 ? "binary" : "octal",
                       " literal"));
  const std::string_view literal = since_start();
  if (literal.ends_with('_') || literal.find("__") != std::string_view::npos)
    return fail("'_' must separate successive digits");
  return true;
}

bool Scanner::scan_number() {
  if (!scan_digits()) return false;
  const std::string number(since_start());
  if (extend_to_duration(number) || extend_to_bytes(number)) return true;
  return emit(Token::kNumber, number);
}

bool Scanner::extend_to_duration(std::string_view number) {
  Cursor ahead = cursor_;
  std::string text(number);
  for (;;) {
    const uint32_t c = ahead.peek();
    const bool unit =
        c == 'n' || c == 'u' || c == 0xb5 || c == 'm' || c == 's' || c == 'h' || c == 'd' || c == 'w' || c == 'y';
    if (!is_digit(c) && !unit && c != '.') break;
    append_utf8(text, ahead.next());
  }
  if (ahead.at == cursor_.at || is_digit(static_cast<unsigned char>(text.back()))) return false;  // -0 is no duration
  auto duration = parse_prometheus_duration(text);
  if (!duration) duration = parse_go_duration(text);
  if (!duration) return false;
  cursor_ = ahead;
  emit(Token::kDuration, text, true);
  lexemes_.back().duration_ns = *duration;
  return true;
}

bool Scanner::extend_to_bytes(std::string_view number) {
  Cursor ahead = cursor_;
  std::string text(number);
  for (;;) {
    const uint32_t c = ahead.peek();
    const bool unit = c < 0x80 && std::string_view("BikKMGTP").find(static_cast<char>(c)) != std::string_view::npos;
    if (!is_digit(c) && !unit && c != '.') break;
    append_utf8(text, ahead.next());
  }
  if (ahead.at == cursor_.at) return false;
  auto bytes = parse_human_bytes(text);
  if (!bytes) return false;
  cursor_ = ahead;
  emit(Token::kBytes, text, true);
  lexemes_.back().bytes = *bytes;
  return true;
}

// - in front of a duration belongs to it; --strict and --keep-empty are flags.
bool Scanner::scan_minus() {
  constexpr std::string_view kFlags[] = {"--strict", "--keep-empty"};
  const std::string_view rest = cursor_.text.substr(cursor_.at);
  for (std::string_view flag : kFlags) {
    if (!rest.starts_with(flag)) continue;
    Cursor ahead = cursor_;
    ahead.at += flag.size();
    if (is_letter(ahead.peek()) || is_digit(ahead.peek()) || ahead.peek() == '-') continue;
    consume(flag.size());
    return emit(Token::kFlag, std::string(flag), true);
  }
  cursor_.next();
  if (is_digit(cursor_.peek()) && extend_to_duration("-")) return true;
  return emit(Token::kSubtract);
}

// Whether what follows makes a function word one: "(", "by (", "without (".
bool opens_function(Cursor ahead) {
  ahead.skip_space();
  if (ahead.peek() == '(') return true;
  const std::string rest = lower(ahead.text.substr(ahead.at, 7));
  if (rest.starts_with("by")) {
    ahead.at += 2;
  } else if (rest.starts_with("without")) {
    ahead.at += 7;
  } else {
    return false;
  }
  ahead.skip_space();
  return ahead.peek() == '(';
}

bool Scanner::scan_word() {
  while (is_letter(cursor_.peek()) || is_digit(cursor_.peek())) cursor_.next();
  const std::string_view text = since_start();
  const std::string word = lower(text);
  if (auto token = find_reserved(word)) return emit(*token, word);
  if (auto token = find_function(word); token && opens_function(cursor_)) return emit(*token, word);
  return emit(Token::kIdentifier, std::string(text));
}

bool Scanner::scan_operator() {
  const std::string_view rest = cursor_.text.substr(cursor_.at);
  for (size_t length : {size_t{2}, size_t{1}}) {
    auto token = find_operator(rest.substr(0, length));
    if (!token || rest.size() < length) continue;
    consume(length);
    return emit(*token, std::string(rest.substr(0, length)), length == 2);
  }
  const size_t before = cursor_.at;
  const uint32_t c = cursor_.next();
  if (c == 0xfffd && cursor_.at - before == 1) return fail("invalid UTF-8 encoding");
  return emit(Token::kUnknown);
}

}  // namespace

std::vector<Lexeme> tokenize(std::string_view text) { return Scanner(text).run(); }

}  // namespace server
