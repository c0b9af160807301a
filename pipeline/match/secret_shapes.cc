#include "pipeline/match/secret_shapes.h"

#include <algorithm>
#include <array>

#include "pipeline/match/ip_filter.h"
#include "pipeline/match/secret_scanner.h"

namespace pipeline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_upper(c) || is_lower(c); }
bool is_alnum(char c) { return is_letter(c) || is_digit(c); }
bool is_word(char c) { return is_alnum(c) || c == '_'; }
bool is_hex(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
bool is_base64(char c) { return is_alnum(c) || c == '+' || c == '/'; }
bool is_base64url(char c) { return is_alnum(c) || c == '-' || c == '_'; }
bool is_token(char c) { return is_base64(c) || c == '-' || c == '.' || c == '_' || c == '~'; }
bool is_local(char c) { return is_alnum(c) || std::string_view("._%+-'").find(c) != std::string_view::npos; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c | 0x20) : c; }

// Whether `at` is the letter of \n, \r or \t, as texts within JSON have them.
bool is_escape(std::string_view line, size_t at) {
  return at > 0 && at < line.size() && line[at - 1] == '\\' && (line[at] == 'n' || line[at] == 'r' || line[at] == 't');
}

// The character at `at`, a blank outside the line; that before `at`, also a blank where it is an escaped one.
char character(std::string_view line, size_t at) { return at < line.size() ? line[at] : ' '; }
char before(std::string_view line, size_t at) { return at > 0 && !is_escape(line, at - 1) ? line[at - 1] : ' '; }

template <class Is>
size_t run_end(std::string_view line, size_t at, const Is& is, size_t limit = SIZE_MAX) {
  size_t end = limit < line.size() - at ? at + limit : line.size();
  while (at < end && is(line[at])) ++at;
  return at;
}
template <class Is>
size_t run_begin(std::string_view line, size_t at, const Is& is, size_t limit) {
  size_t begin = at > limit ? at - limit : 0;
  while (at > begin && is(line[at - 1])) --at;
  return at;
}

bool equals_folded(std::string_view line, size_t at, std::string_view lower_text) {
  if (at > line.size() || line.size() - at < lower_text.size()) return false;
  for (size_t i = 0; i < lower_text.size(); ++i) {
    if (lower(line[at + i]) != lower_text[i]) return false;
  }
  return true;
}

bool passes_luhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
    sum += digit;
  }
  return sum % 10 == 0;
}

// Beginnings of card numbers by brand (ISO/IEC 7812 issuers), and how many digits theirs have.
struct Issuer {
  int first, last, digits;  // of the beginning: both count, and how many digits it has
  size_t least, most;
};
constexpr Issuer kIssuers[] = {
    {4, 4, 1, 13, 13},       {4, 4, 1, 16, 16},       {4, 4, 1, 19, 19},        // Visa
    {51, 55, 2, 16, 16},     {2221, 2720, 4, 16, 16},                           // Mastercard
    {34, 34, 2, 15, 15},     {37, 37, 2, 15, 15},                               // American Express
    {300, 305, 3, 14, 14},   {36, 36, 2, 14, 14},     {38, 39, 2, 14, 14},      // Diners
    {6011, 6011, 4, 16, 19}, {644, 649, 3, 16, 19},   {65, 65, 2, 16, 19},      // Discover
    {3528, 3589, 4, 16, 19}, {62, 62, 2, 16, 19},                               // JCB, UnionPay
    {5018, 5018, 4, 13, 19}, {5020, 5020, 4, 13, 19}, {5038, 5038, 4, 13, 19},  // Maestro
    {5893, 5893, 4, 13, 19}, {6304, 6304, 4, 13, 19}, {6759, 6759, 4, 13, 19}, {6761, 6763, 4, 13, 19},
};

bool is_card(std::string_view digits) {
  auto fits = [&](const Issuer& issuer) {
    int number = 0;
    for (int i = 0; i < issuer.digits; ++i) number = number * 10 + (digits[static_cast<size_t>(i)] - '0');
    return digits.size() >= issuer.least && digits.size() <= issuer.most && number >= issuer.first &&
           number <= issuer.last;
  };
  return digits.size() >= 13 && std::any_of(std::begin(kIssuers), std::end(kIssuers), fits) && passes_luhn(digits);
}

// Digits of a card in groups, as they are printed on one.
bool is_usual_grouping(std::string_view sizes) {
  return sizes ==
             "444"
             "4" ||
         sizes == "44443" || sizes == "465" || sizes == "464";
}

// Up to five groups of digits with the same separator between them.
struct CardGroups {
  static constexpr size_t kMost = 5, kMostDigits = 20;
  std::array<char, kMostDigits> digits{};
  std::array<char, kMost> sizes{};  // as digits: '4'
  std::array<size_t, kMost> ends{}, digit_counts{};
  size_t count = 0;

  CardGroups(std::string_view line, size_t at) {
    char separator = 0;
    for (size_t read = 0; count < kMost && read < kMostDigits; ++at) {
      size_t end = run_end(line, at, is_digit, kMostDigits - read);
      line.copy(digits.data() + read, end - at, at);
      read += end - at;
      sizes[count] = static_cast<char>('0' + (end - at));
      ends[count] = end, digit_counts[count] = read;
      ++count, at = end;
      char next = character(line, at);
      if (separator == 0) separator = next;
      if (next != separator || (next != ' ' && next != '-') || !is_digit(character(line, at + 1))) return;
    }
  }
};

bool ends_a_number(std::string_view line, size_t end) {
  char next = character(line, end);
  return !is_word(next) && !(next == '.' && is_digit(character(line, end + 1)));
}

}  // namespace

std::optional<TextSpan> email_at(std::string_view line, size_t at) {
  size_t begin = run_begin(line, at, is_local, 64);
  while (begin < at && (!is_alnum(line[begin]) || is_escape(line, begin))) ++begin;
  size_t end = run_end(
      line, at + 1, [](char c) { return is_alnum(c) || c == '-' || c == '.'; }, 253);
  while (end > at + 1 && !is_alnum(line[end - 1])) --end;
  std::string_view domain = line.substr(at + 1, end - at - 1);
  size_t dot = domain.rfind('.');
  if (begin == at || dot == std::string_view::npos || dot == 0 || !is_alnum(domain[0])) return std::nullopt;
  std::string_view top = domain.substr(dot + 1);
  if (top.size() < 2 || !std::all_of(top.begin(), top.end(), is_letter)) return std::nullopt;
  return TextSpan{begin, end};
}

std::optional<TextSpan> ipv4_at(std::string_view line, size_t third_dot) {
  auto is_part = [](char c) { return is_digit(c) || c == '.'; };
  size_t begin = run_begin(line, third_dot, is_part, 16), end = run_end(line, third_dot, is_part, 8);
  while (begin < third_dot && line[begin] == '.') ++begin;
  while (end > third_dot + 1 && line[end - 1] == '.') --end;
  int parts = 0, value = -1;
  for (size_t i = begin; i <= end; ++i) {
    if (i < end && line[i] != '.') {
      value = (value < 0 ? 0 : value * 10) + (line[i] - '0');
      if (value > 255) return std::nullopt;
    } else {
      if (value < 0) return std::nullopt;
      ++parts, value = -1;
    }
  }
  char previous = before(line, begin);
  bool inside_name = is_word(previous) || (previous == '.' && is_word(before(line, begin - 1))) ||
                     is_word(character(line, end)) ||
                     (character(line, end) == '.' && is_word(character(line, end + 1)));
  if (parts != 4 || inside_name) return std::nullopt;
  return TextSpan{begin, end};
}

std::optional<TextSpan> ipv6_at(std::string_view line, size_t colon) {
  constexpr size_t kLongest = 46;
  auto is_part = [](char c) { return is_hex(c) || c == ':' || c == '.'; };
  size_t begin = run_begin(line, colon, is_part, kLongest), end = run_end(line, colon, is_part, kLongest);
  while (begin < colon && (line[begin] == '.' || (line[begin] == ':' && line[begin + 1] != ':'))) ++begin;
  while (end > colon + 2 && (line[end - 1] == '.' || (line[end - 1] == ':' && line[end - 2] != ':'))) --end;
  std::string_view text = line.substr(begin, end - begin);
  if (is_word(before(line, begin)) || is_word(character(line, end))) return std::nullopt;
  if (std::none_of(text.begin(), text.end(), is_digit)) return std::nullopt;  // ::, abc::def
  auto address = IpAddress::parse(text);
  if (!address || !address->is_v6) return std::nullopt;
  return TextSpan{begin, end};
}

std::optional<TextSpan> card_at(std::string_view line, size_t digit) {
  char previous = before(line, digit);
  bool goes_on = (previous == '.' || previous == '-') && is_hex(before(line, digit - 1));  // a fraction, a UUID
  if (is_word(previous) || goes_on || line[digit] < '2' || line[digit] > '6') return std::nullopt;
  CardGroups groups(line, digit);
  for (size_t n = groups.count; n > 0; --n) {
    size_t end = groups.ends[n - 1];
    bool usual = n == 1 || is_usual_grouping({groups.sizes.data(), n});
    bool in_uuid = n > 1 && character(line, end) == '-' && is_hex(character(line, end + 1));
    if (!usual || in_uuid || !ends_a_number(line, end)) continue;
    if (is_card({groups.digits.data(), groups.digit_counts[n - 1]})) return TextSpan{digit, end};
  }
  return std::nullopt;
}

std::optional<TextSpan> jwt_at(std::string_view line, size_t letter_y, size_t& done) {
  if (letter_y < done || before(line, letter_y) != 'e') return std::nullopt;
  size_t begin = letter_y - 1, end = run_end(line, begin, is_base64url);
  done = end;
  if (end - begin < 8 || character(line, end) != '.') return std::nullopt;
  size_t second = run_end(line, end + 1, is_base64url);
  if (second - end - 1 < 4) return std::nullopt;
  done = second;
  // A signature, or the further parts of an encrypted one.
  for (int part = 0; part < 3 && character(line, done) == '.'; ++part) {
    size_t next = run_end(line, done + 1, is_base64url);
    if (next == done + 1 && part > 0) break;
    done = next;
  }
  return TextSpan{begin, done};
}

std::optional<TextSpan> aws_access_key_at(std::string_view line, size_t letter_i) {
  constexpr size_t kSize = 20;
  if (letter_i < 2 || line[letter_i - 2] != 'A') return std::nullopt;
  size_t begin = letter_i - 2;
  if (std::string_view("KSB").find(line[letter_i - 1]) == std::string_view::npos) return std::nullopt;
  size_t end = run_end(
      line, begin, [](char c) { return is_upper(c) || is_digit(c); }, kSize + 1);
  if (end - begin != kSize || is_word(before(line, begin)) || is_word(character(line, end))) return std::nullopt;
  return TextSpan{begin, end};
}

std::optional<TextSpan> aws_secret_key_at(std::string_view line, size_t letter_e) {
  constexpr size_t kSize = 40, kLongestName = 24, kMostSeparators = 8;
  if (letter_e == 0 || !equals_folded(line, letter_e - 1, "secret")) return std::nullopt;
  size_t name = letter_e + 5;
  size_t name_end = run_end(
      line, name, [](char c) { return is_word(c) || c == '-'; }, kLongestName);
  bool names_key = false;
  for (size_t i = name; i + 3 <= name_end; ++i) names_key = names_key || equals_folded(line, i, "key");
  if (!names_key) return std::nullopt;
  auto is_separator = [](char c) { return std::string_view(" \t:=\"'\\>,").find(c) != std::string_view::npos; };
  size_t begin = run_end(line, name_end, is_separator, kMostSeparators);
  size_t end = run_end(line, begin, is_base64, kSize + 1);
  std::string_view key = line.substr(begin, end - begin);
  bool is_mixed = std::any_of(key.begin(), key.end(), is_upper) && std::any_of(key.begin(), key.end(), is_lower);
  if (begin == name_end || key.size() != kSize || !is_mixed) return std::nullopt;
  return TextSpan{begin, end};
}

std::optional<TextSpan> bearer_token_at(std::string_view line, size_t letter_b) {
  constexpr size_t kShortest = 8, kSurelyRandom = 20, kMostSeparators = 8;
  if (!equals_folded(line, letter_b, "bearer") || is_word(before(line, letter_b))) return std::nullopt;
  size_t word_end = letter_b + 6;
  auto is_separator = [](char c) { return std::string_view(" \t:=\"'\\").find(c) != std::string_view::npos; };
  size_t begin = run_end(line, word_end, is_separator, kMostSeparators);
  size_t end = run_end(line, begin, is_token);
  std::string_view token = line.substr(begin, end - begin);
  bool is_random = token.size() >= kSurelyRandom || std::any_of(token.begin(), token.end(), is_digit);
  if (begin == word_end || token.size() < kShortest || !is_random) return std::nullopt;
  return TextSpan{begin, run_end(line, end, [](char c) { return c == '='; })};
}

std::optional<TextSpan> private_key_at(std::string_view line, size_t fourth_dash, bool& open) {
  constexpr std::string_view kBegin = "-----BEGIN ", kDashes = "-----";
  constexpr size_t kLongestLabel = 64;
  if (fourth_dash < 3 || !line.substr(fourth_dash - 3).starts_with(kBegin)) return std::nullopt;
  size_t begin = fourth_dash - 3, label = begin + kBegin.size();
  size_t label_end = line.substr(0, label + kLongestLabel).find(kDashes, label);
  if (label_end == std::string_view::npos) return std::nullopt;
  if (line.substr(label, label_end - label).find("PRIVATE KEY") == std::string_view::npos) return std::nullopt;
  size_t end = private_key_end(line, label_end + kDashes.size());
  open = end == std::string_view::npos;
  return TextSpan{begin, open ? line.size() : end};
}

size_t private_key_end(std::string_view text, size_t from) {
  constexpr std::string_view kEnd = "-----END ", kDashes = "-----";
  size_t end = text.find(kEnd, from);
  if (end == std::string_view::npos) return end;
  size_t dashes = text.find(kDashes, end + kEnd.size());
  return dashes == std::string_view::npos ? text.size() : dashes + kDashes.size();
}

}  // namespace pipeline
