#include "pipeline/base/time_format.h"

#include <array>

namespace pipeline {

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

void append_padded(std::string& out, int64_t value, int width) {
  std::array<char, 20> digits;
  int n = 0;
  do {
    digits[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (width-- > n) out += '0';
  while (n > 0) out += digits[--n];
}

// Two digits at text[at]; -1 if they are not digits.
int two_digits(std::string_view text, size_t at) {
  unsigned a = static_cast<unsigned char>(text[at]) - '0', b = static_cast<unsigned char>(text[at + 1]) - '0';
  return a > 9 || b > 9 ? -1 : static_cast<int>(a * 10 + b);
}

unsigned days_in_month(int year, int month) {
  static constexpr std::array<unsigned, 13> kDays = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month)];
}

}  // namespace

int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  auto year_of_era = static_cast<unsigned>(year - era * 400);
  unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

CivilDate civil_from_days(int64_t days) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  auto day_of_era = static_cast<unsigned>(days - era * 146097);
  unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned shifted_month = (5 * day_of_year + 2) / 153;
  unsigned day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2), month, day};
}

std::string format_rfc3339(UnixNanos time) {
  int64_t seconds = time / kNanosPerSecond, nanos = time % kNanosPerSecond;
  if (nanos < 0) nanos += kNanosPerSecond, --seconds;
  int64_t days = seconds / 86400, second_of_day = seconds % 86400;
  if (second_of_day < 0) second_of_day += 86400, --days;
  CivilDate date = civil_from_days(days);
  std::string out;
  out.reserve(32);
  append_padded(out, date.year, 4);
  out += '-', append_padded(out, date.month, 2);
  out += '-', append_padded(out, date.day, 2);
  out += 'T', append_padded(out, second_of_day / 3600, 2);
  out += ':', append_padded(out, second_of_day / 60 % 60, 2);
  out += ':', append_padded(out, second_of_day % 60, 2);
  if (nanos != 0) {
    out += '.', append_padded(out, nanos, 9);
    while (out.back() == '0') out.pop_back();
  }
  out += 'Z';
  return out;
}

std::optional<UnixNanos> parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  int century = two_digits(text, 0), year_of_century = two_digits(text, 2), month = two_digits(text, 5),
      day = two_digits(text, 8);
  int hour = two_digits(text, 11), minute = two_digits(text, 14), second = two_digits(text, 17);
  if (century < 0 || year_of_century < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59) {
    return std::nullopt;
  }
  int year = century * 100 + year_of_century;
  if (static_cast<unsigned>(day) > days_in_month(year, month)) return std::nullopt;
  size_t at = 19;
  int64_t nanos = 0;
  if (text[at] == '.') {
    size_t first = ++at;
    int64_t unit = kNanosPerSecond / 10;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) nanos += (text[at] - '0') * unit;
    if (at == first) return std::nullopt;
  }
  int64_t offset_seconds = 0;
  if (at < text.size() && text[at] == 'Z') {
    ++at;
  } else if (at + 6 == text.size() && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
    int hours = two_digits(text, at + 1), minutes = two_digits(text, at + 4);
    if (hours < 0 || hours > 24 || minutes < 0 || minutes > 60) return std::nullopt;
    offset_seconds = (hours * 60 + minutes) * 60 * (text[at] == '-' ? -1 : 1);
    at += 6;
  }
  if (at != text.size() || at == 19) return std::nullopt;
  int64_t seconds = days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day)) * 86400 +
                    hour * 3600 + minute * 60 + second - offset_seconds;
  UnixNanos result = 0;
  if (__builtin_mul_overflow(seconds, kNanosPerSecond, &result) || __builtin_add_overflow(result, nanos, &result)) {
    return std::nullopt;
  }
  return result;
}

}  // namespace pipeline
