#include "pipeline/parse/go_time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "pipeline/base/time_format.h"
#include "pipeline/parse/go_time_elements.h"

namespace pipeline {

using namespace go_time;

namespace {

bool is_digit(std::string_view text, size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; }

bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
unsigned days_in(unsigned month, int64_t year) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

// Go's parseTimeZone: how many bytes of `text` are an abbreviation; 0: none.
size_t signed_offset_length(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return 0;
  size_t end = 1;
  unsigned hours = 0;
  for (; is_digit(text, end) && end < 10; ++end) hours = hours * 10 + static_cast<unsigned>(text[end] - '0');
  return end == 1 || is_digit(text, end) || hours > 23 ? 0 : end;
}
size_t zone_name_length(std::string_view text) {
  if (text.size() < 3) return 0;
  if (text.starts_with("ChST") || text.starts_with("MeST")) return 4;
  if (text.starts_with("GMT")) return 3 + signed_offset_length(text.substr(3));
  if (text[0] == '+' || text[0] == '-') return signed_offset_length(text);
  size_t upper = 0;
  while (upper < 6 && upper < text.size() && text[upper] >= 'A' && text[upper] <= 'Z') ++upper;
  if (upper == 3) return 3;
  if (upper == 4 && (text[3] == 'T' || text.starts_with("WITA"))) return 4;
  if (upper == 5 && text[4] == 'T') return 5;
  return 0;
}

// Reads one text against the elements.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text) {}

  bool skip(std::string_view prefix) {
    while (!prefix.empty()) {
      if (prefix[0] == ' ') {
        if (!text_.empty() && text_[0] != ' ') return false;
        while (prefix.starts_with(' ')) prefix.remove_prefix(1);
        while (text_.starts_with(' ')) text_.remove_prefix(1);
        continue;
      }
      if (text_.empty() || text_[0] != prefix[0]) return false;
      prefix.remove_prefix(1), text_.remove_prefix(1);
    }
    return true;
  }
  bool at_end() const { return text_.empty(); }

  bool read(const Element& element, bool fraction_follows);
  bool finish(CivilTime& out);

 private:
  // One or two digits (`two`: exactly two).
  bool number(unsigned& out, bool two, unsigned least, unsigned most) {
    if (!is_digit(text_, 0) || (two && !is_digit(text_, 1))) return false;
    size_t length = is_digit(text_, 1) ? 2 : 1;
    out = 0;
    for (char c : take(length)) out = out * 10 + static_cast<unsigned>(c - '0');
    return out >= least && out <= most;
  }
  template <size_t kCount>
  bool name(const std::array<std::string_view, kCount>& names, bool whole, unsigned& out) {
    for (unsigned i = 0; i < kCount; ++i) {
      std::string_view wanted = whole ? names[i] : names[i].substr(0, 3);
      if (text_.size() < wanted.size()) continue;
      bool same = true;
      for (size_t k = 0; k < wanted.size(); ++k) same = same && (text_[k] | 0x20) == (wanted[k] | 0x20);
      if (same) return out = i + 1, take(wanted.size()), true;
    }
    return false;
  }
  std::string_view take(size_t n) {
    std::string_view taken = text_.substr(0, n);
    text_.remove_prefix(taken.size());
    return taken;
  }
  bool year(size_t digits);
  bool year_day(bool three);
  bool day_half(std::string_view am, std::string_view pm);
  bool fraction(size_t bytes);
  bool zone_offset(Kind kind);
  bool zone_name();

  std::string_view text_;
  CivilTime time_;
  bool pm_ = false, am_ = false, has_month_ = false, has_day_ = false;
  bool is_utc_ = false;  // the text says so: an offset beside it does not count
  int year_day_ = -1;
};

bool TimeReader::year(size_t digits) {
  if (text_.size() < digits) return false;
  int64_t value = 0;
  const bool has_sign = digits == 2 && (text_[0] == '-' || text_[0] == '+');
  for (size_t i = has_sign ? 1 : 0; i < digits; ++i) {
    if (!is_digit(text_, i)) return false;
    value = value * 10 + (text_[i] - '0');
  }
  if (take(digits)[0] == '-') value = -value;
  time_.year = digits == 4 ? value : value + (value >= 69 ? 1900 : 2000);
  return true;
}

bool TimeReader::year_day(bool three) {
  for (int i = 0; i < 2 && !three && text_.starts_with(' '); ++i) take(1);
  size_t digits = 0;
  while (digits < 3 && is_digit(text_, digits)) ++digits;
  if (digits == 0 || (three && digits != 3)) return false;
  year_day_ = 0;
  for (char c : take(digits)) year_day_ = year_day_ * 10 + (c - '0');
  return true;
}

bool TimeReader::day_half(std::string_view am, std::string_view pm) {
  std::string_view half = take(2);
  if (half == pm) return pm_ = true;
  if (half == am) return am_ = true;
  return false;
}

// `bytes` with the dot; digits behind the ninth do not count.
bool TimeReader::fraction(size_t bytes) {
  if (text_.size() < bytes || (text_[0] != '.' && text_[0] != ',')) return false;
  std::string_view digits = take(bytes).substr(1, 9);
  time_.nanos = 0;
  for (size_t i = 0; i < 9; ++i) {
    if (i < digits.size() && !is_digit(digits, i)) return false;
    time_.nanos = time_.nanos * 10 + (i < digits.size() ? static_cast<uint32_t>(digits[i] - '0') : 0);
  }
  return true;
}

bool TimeReader::zone_offset(Kind kind) {
  if (kind < kN4) {
    if (text_.starts_with('Z')) return take(1), is_utc_ = true;
    kind = static_cast<Kind>(kind + (kN4 - kZ4));
  }
  constexpr std::pair<Kind, std::string_view> kShapes[] = {
      {kN4, "hhmm"}, {kN6, "hhmmss"}, {kNColon, "hh:mm"}, {kN2, "hh"}, {kNColonSeconds, "hh:mm:ss"}};
  std::string_view shape;
  for (const auto& [of, text] : kShapes) shape = of == kind ? text : shape;
  if (text_.size() < 1 + shape.size()) return false;
  std::string_view text = take(1 + shape.size());
  int32_t hours = 0, minutes = 0, seconds = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == ':') {
      if (text[i + 1] != ':') return false;
      continue;
    }
    if (!is_digit(text, i + 1)) return false;
    int32_t& part = shape[i] == 'h' ? hours : shape[i] == 'm' ? minutes : seconds;
    part = part * 10 + (text[i + 1] - '0');
  }
  if (hours > 24 || minutes > 60 || seconds > 60 || (text[0] != '+' && text[0] != '-')) return false;
  int32_t offset = hours * 3600 + minutes * 60 + seconds;
  time_.offset = text[0] == '-' ? -offset : offset;
  return true;
}

bool TimeReader::zone_name() {
  if (text_.starts_with("UTC")) return take(3), is_utc_ = true;
  size_t length = zone_name_length(text_);
  if (length == 0) return false;
  time_.zone_name = take(length);
  return true;
}

bool TimeReader::read(const Element& element, bool fraction_follows) {
  auto kind = static_cast<Kind>(element.kind);
  unsigned ignored = 0;
  switch (kind) {
    case kYear: return year(2);
    case kLongYear: return year(4);
    case kMonth:
    case kLongMonth: return has_month_ = name(kMonths, kind == kLongMonth, time_.month);
    case kNumMonth:
    case kZeroMonth: return has_month_ = number(time_.month, kind == kZeroMonth, 1, 12);
    case kWeekday:
    case kLongWeekday: return name(kWeekdays, kind == kLongWeekday, ignored);
    case kUnderDay:
      if (text_.starts_with(' ')) take(1);
      [[fallthrough]];
    case kDay:
    case kZeroDay: return has_day_ = number(time_.day, kind == kZeroDay, 0, 99);
    case kUnderYearDay:
    case kZeroYearDay: return year_day(kind == kZeroYearDay);
    case kHour: return number(time_.hour, false, 0, 23);
    case kHour12:
    case kZeroHour12: return number(time_.hour, kind == kZeroHour12, 0, 12);
    case kMinute:
    case kZeroMinute: return number(time_.minute, kind == kZeroMinute, 0, 59);
    case kSecond:
    case kZeroSecond: {
      if (!number(time_.second, kind == kZeroSecond, 0, 59)) return false;
      bool fraction_here = text_.size() >= 2 && (text_[0] == '.' || text_[0] == ',') && is_digit(text_, 1);
      if (!fraction_here || fraction_follows) return true;
      size_t end = 2;  // a fraction is fine where the layout has none
      while (is_digit(text_, end)) ++end;
      return fraction(end);
    }
    case kPM: return day_half("AM", "PM");
    case kpm: return day_half("am", "pm");
    case kZoneName: return zone_name();
    case kFraction0: return fraction(1u + element.digits);
    case kFraction9: {
      if (text_.size() < 2 || (text_[0] != '.' && text_[0] != ',') || !is_digit(text_, 1)) return true;
      size_t end = 1;
      while (is_digit(text_, end)) ++end;
      return fraction(end);
    }
    default: return zone_offset(kind);
  }
}

bool TimeReader::finish(CivilTime& out) {
  if (pm_ && time_.hour < 12) time_.hour += 12;
  if (am_ && time_.hour == 12) time_.hour = 0;
  if (year_day_ >= 0) {
    if (year_day_ < 1 || year_day_ > (is_leap(time_.year) ? 366 : 365)) return false;
    CivilDate date = civil_from_days(days_from_civil(time_.year, 1, 1) + year_day_ - 1);
    if ((has_month_ && date.month != time_.month) || (has_day_ && date.day != time_.day)) return false;
    time_.month = date.month, time_.day = date.day;
  }
  if (time_.day < 1 || time_.day > days_in(time_.month, time_.year)) return false;
  if (is_utc_) time_.offset = 0;
  out = std::move(time_);
  return true;
}

}  // namespace

GoTimeLayout GoTimeLayout::compile(std::string_view layout) {
  GoTimeLayout out;
  std::string literal;
  while (!layout.empty()) {
    Element element;
    size_t length = element_at(layout, element);
    if (length == 0) {
      literal.push_back(layout[0]);
      layout.remove_prefix(1);
      continue;
    }
    element.prefix = std::exchange(literal, {});
    out.has_year_ = out.has_year_ || element.kind == kYear || element.kind == kLongYear;
    out.elements_.push_back(std::move(element));
    layout.remove_prefix(length);
  }
  out.tail_ = std::move(literal);
  return out;
}

Result<CivilTime> GoTimeLayout::parse(std::string_view text) const {
  auto refuse = [&] { return fail(Errc::kInvalid, concat("cannot parse \"", text, "\" as time")); };
  TimeReader reader(text);
  for (size_t i = 0; i < elements_.size(); ++i) {
    bool fraction_follows =
        i + 1 < elements_.size() && (elements_[i + 1].kind == kFraction0 || elements_[i + 1].kind == kFraction9);
    if (!reader.skip(elements_[i].prefix) || !reader.read(elements_[i], fraction_follows)) return refuse();
  }
  CivilTime time;
  if (!reader.skip(tail_) || !reader.at_end() || !reader.finish(time)) return refuse();
  return time;
}

Result<UnixNanos> to_unix(const CivilTime& time, const TimeZone& zone) {
  int64_t local =
      days_from_civil(time.year, time.month, time.day) * 86400 + time.hour * 3600 + time.minute * 60 + time.second;
  int64_t seconds = local;
  if (time.offset) {
    seconds -= *time.offset;
  } else if (!time.zone_name.empty()) {
    seconds -= zone.abbreviation(time.zone_name, local).value_or(0);
  } else {
    seconds = zone.instant_of(local);
  }
  UnixNanos nanos = 0;
  if (__builtin_mul_overflow(seconds, int64_t{1'000'000'000}, &nanos) ||
      __builtin_add_overflow(nanos, static_cast<int64_t>(time.nanos), &nanos)) {
    return fail(Errc::kInvalid, "time is outside the years 1678 to 2262");
  }
  return nanos;
}

// ------------------------------------------------------------------------------------------------ the timestamp stage

namespace {

constexpr std::pair<std::string_view, std::string_view> kNamedLayouts[] = {
    {"ANSIC", "Mon Jan _2 15:04:05 2006"},          {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
    {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"}, {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},           {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},   {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"RFC3339", "2006-01-02T15:04:05Z07:00"},       {"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"}};

Result<int64_t> parse_integer(std::string_view text) {
  std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      (digits.size() < text.size() && digits[0] == '-')) {
    return fail(Errc::kInvalid, concat("\"", text, "\" is no integer"));
  }
  return value;
}

Result<UnixNanos> scaled(int64_t value, int64_t by) {
  UnixNanos nanos = 0;
  if (__builtin_mul_overflow(value, by, &nanos)) return fail(Errc::kInvalid, "time is outside the years 1678 to 2262");
  return nanos;
}

Result<UnixNanos> parse_unix(std::string_view text) {
  size_t dot = text.find('.');
  bool has_fraction = dot != std::string_view::npos && text.find('.', dot + 1) == std::string_view::npos;
  TRY_LET(int64_t seconds, parse_integer(has_fraction ? text.substr(0, dot) : text));
  TRY_LET(UnixNanos nanos, scaled(seconds, 1'000'000'000));
  if (!has_fraction) return nanos;
  // As upstream, to the nanosecond: the digits are an integer, even with a sign, that is then scaled.
  std::string_view digits = text.substr(dot + 1);
  TRY_LET(int64_t fraction, parse_integer(digits));
  const double scale = std::pow(10.0, 9.0 - static_cast<double>(digits.size()));
  if (__builtin_add_overflow(nanos, static_cast<int64_t>(static_cast<double>(fraction) * scale), &nanos)) {
    return fail(Errc::kInvalid, "time is outside the years 1678 to 2262");
  }
  return nanos;
}

}  // namespace

TimeFormat TimeFormat::create(std::string_view format, const TimeZone& zone) {
  constexpr std::pair<std::string_view, Kind> kNumeric[] = {
      {"Unix", Kind::kUnix}, {"UnixMs", Kind::kUnixMs}, {"UnixUs", Kind::kUnixUs}, {"UnixNs", Kind::kUnixNs}};
  TimeFormat out;
  for (const auto& [name, kind] : kNumeric) {
    if (name == format) return out.kind_ = kind, out;
  }
  for (const auto& [name, layout] : kNamedLayouts) {
    if (name == format) return out.layout_ = GoTimeLayout::compile(layout), out;
  }
  out.layout_ = GoTimeLayout::compile(format);
  out.zone_ = zone;
  return out;
}

Result<UnixNanos> TimeFormat::parse(std::string_view text, UnixNanos now) const {
  if (kind_ == Kind::kUnix) return parse_unix(text);
  if (kind_ != Kind::kLayout) {
    TRY_LET(int64_t value, parse_integer(text));
    return scaled(value, kind_ == Kind::kUnixMs ? 1'000'000 : kind_ == Kind::kUnixUs ? 1'000 : 1);
  }
  TRY_LET(CivilTime time, layout_.parse(text));
  if (!layout_.has_year()) {
    CivilDate today = civil_from_days(now / 86'400'000'000'000);
    time.year = today.year;
    if (time.month == 12 && today.month == 1) --time.year;
    if (time.month == 1 && today.month == 12) ++time.year;
  }
  return to_unix(time, zone_);
}

}  // namespace pipeline
