#include "pipeline/parse/time_zone.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "pipeline/base/time_format.h"

namespace pipeline {

namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kEver = std::numeric_limits<int64_t>::max(), kNever = std::numeric_limits<int64_t>::min();
constexpr std::string_view kFolders[] = {"/usr/share/zoneinfo/", "/usr/lib/zoneinfo/", "/etc/zoneinfo/"};

struct ZoneType {
  int32_t offset = 0;
  std::string name;
  bool is_summer = false;
};

// When a year's switch happens: Mm.w.d/time of a POSIX TZ text; seconds on the local clock before the switch.
struct Switch {
  unsigned month = 1, week = 1, weekday = 0;
  int64_t time = 7200;

  int64_t in_year(int64_t year) const {
    int64_t first = days_from_civil(year, month, 1);
    int64_t first_weekday = ((first + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
    int64_t day =
        first + (static_cast<int64_t>(weekday) - first_weekday + 7) % 7 + (static_cast<int64_t>(week) - 1) * 7;
    int64_t next_month = month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, month + 1, 1);
    if (day >= next_month) day -= 7;
    return day * kDay + time;
  }
};

// What holds behind the last transition of the table (RFC 8536 section 3.3, POSIX TZ).
struct Footer {
  ZoneType winter, summer;
  bool has_summer = false;
  Switch to_summer, to_winter;
};

class FooterParser {
 public:
  explicit FooterParser(std::string_view text) : text_(text) {}

  std::optional<Footer> run() {
    Footer footer;
    if (!zone(footer.winter, std::nullopt)) return std::nullopt;
    if (text_.empty()) return footer;
    footer.has_summer = true;
    footer.summer.is_summer = true;
    if (!zone(footer.summer, footer.winter.offset + 3600)) return std::nullopt;
    if (!rule(footer.to_summer) || !rule(footer.to_winter) || !text_.empty()) return std::nullopt;
    return footer;
  }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool number(int64_t& out) {
    auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), out);
    if (error != std::errc()) return false;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return true;
  }
  bool hours(int64_t& seconds) {
    bool negative = take('-');
    if (!negative) take('+');
    int64_t h = 0, m = 0, s = 0;
    if (!number(h) || (take(':') && (!number(m) || (take(':') && !number(s))))) return false;
    seconds = (h * 3600 + m * 60 + s) * (negative ? -1 : 1);
    return true;
  }
  bool zone(ZoneType& out, std::optional<int32_t> otherwise) {
    size_t end = 0;
    if (take('<')) {
      end = text_.find('>');
      if (end == std::string_view::npos) return false;
      out.name = text_.substr(0, end);
      text_.remove_prefix(end + 1);
    } else {
      while (end < text_.size() && ((text_[end] | 0x20) >= 'a' && (text_[end] | 0x20) <= 'z')) ++end;
      out.name = text_.substr(0, end);
      text_.remove_prefix(end);
    }
    if (otherwise && text_.starts_with(',')) return out.offset = *otherwise, true;
    int64_t west = 0;
    if (!hours(west)) return false;
    out.offset = static_cast<int32_t>(-west);
    return true;
  }
  bool rule(Switch& out) {
    int64_t month = 0, week = 0, weekday = 0;
    if (!take(',') || !take('M') || !number(month) || !take('.') || !number(week) || !take('.') || !number(weekday)) {
      return false;
    }
    out.month = static_cast<unsigned>(std::clamp<int64_t>(month, 1, 12));
    out.week = static_cast<unsigned>(week);
    out.weekday = static_cast<unsigned>(weekday);
    return !take('/') || hours(out.time);
  }

  std::string_view text_;
};

// Big-endian integers of a file that is not trusted.
class TzifReader {
 public:
  explicit TzifReader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  std::string_view take(size_t n) {
    if (n > bytes_.size()) return ok_ = false, std::string_view();
    std::string_view out = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return out;
  }
  int64_t integer(size_t size) {
    uint64_t value = 0;
    std::string_view text = take(size);
    for (char c : text) value = value << 8 | static_cast<uint8_t>(c);
    return size == 4 ? static_cast<int32_t>(static_cast<uint32_t>(value)) : static_cast<int64_t>(value);
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

std::optional<std::string> read_zone_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

struct TimeZone::Tables {
  struct Transition {
    int64_t at;
    size_t type;
  };
  std::vector<ZoneType> types;
  std::vector<Transition> transitions;
  std::optional<Footer> footer;

  // The type in use at an instant, and from when to when.
  struct Period {
    const ZoneType* type;
    int64_t begin, end;
  };

  static std::shared_ptr<const Tables> parse(std::string_view bytes);
  Period at(int64_t unix_seconds) const;

 private:
  bool read_block(TzifReader& in, size_t time_size, const std::array<int64_t, 6>& counts);
  Period by_footer(int64_t unix_seconds, int64_t begin) const;
  const ZoneType& first_type() const {
    for (const ZoneType& type : types) {
      if (!type.is_summer) return type;
    }
    return types[0];
  }
};

bool TimeZone::Tables::read_block(TzifReader& in, size_t time_size, const std::array<int64_t, 6>& counts) {
  auto [utc_count, standard_count, leap_count, time_count, type_count, name_bytes] = counts;
  std::vector<int64_t> times;
  for (int64_t i = 0; i < time_count && in.ok(); ++i) times.push_back(in.integer(time_size));
  std::string_view indexes = in.take(static_cast<size_t>(time_count));
  struct Raw {
    int64_t offset;
    uint8_t summer, name;
  };
  std::vector<Raw> raw;
  for (int64_t i = 0; i < type_count && in.ok(); ++i) {
    int64_t offset = in.integer(4);
    std::string_view bytes = in.take(2);
    if (in.ok()) raw.push_back({offset, static_cast<uint8_t>(bytes[0]), static_cast<uint8_t>(bytes[1])});
  }
  std::string_view names = in.take(static_cast<size_t>(name_bytes));
  in.take(static_cast<size_t>(leap_count) * (time_size + 4) + static_cast<size_t>(standard_count + utc_count));
  if (!in.ok() || raw.empty()) return false;
  for (const Raw& type : raw) {
    if (type.name >= names.size()) return false;
    std::string_view name = names.substr(type.name);
    types.push_back(
        {static_cast<int32_t>(type.offset), std::string(name.substr(0, name.find('\0'))), type.summer != 0});
  }
  for (size_t i = 0; i < times.size(); ++i) {
    auto type = static_cast<uint8_t>(indexes[i]);
    if (type >= types.size() || (i > 0 && times[i] < times[i - 1])) return false;
    transitions.push_back({times[i], type});
  }
  return true;
}

std::shared_ptr<const TimeZone::Tables> TimeZone::Tables::parse(std::string_view bytes) {
  TzifReader in(bytes);
  auto tables = std::make_shared<Tables>();
  for (int version_block = 1; version_block <= 2; ++version_block) {
    if (in.take(4) != "TZif") return nullptr;
    std::string_view version = in.take(16);
    std::array<int64_t, 6> counts{};
    for (int64_t& count : counts) {
      count = in.integer(4);
      if (count < 0 || count > 1'000'000) return nullptr;
    }
    if (!in.ok()) return nullptr;
    tables->types.clear(), tables->transitions.clear();
    if (!tables->read_block(in, version_block == 1 ? 4 : 8, counts)) return nullptr;
    if (version[0] < '2') return tables;  // version 1 has nothing more
  }
  std::string_view rest = in.rest();
  if (rest.starts_with('\n') && rest.size() > 2) {
    tables->footer = FooterParser(rest.substr(1, rest.find('\n', 1) - 1)).run();
  }
  return tables;
}

TimeZone::Tables::Period TimeZone::Tables::by_footer(int64_t unix_seconds, int64_t begin) const {
  if (!footer->has_summer) return {&footer->winter, begin, kEver};
  int64_t year = civil_from_days((unix_seconds + footer->winter.offset) / kDay).year;
  struct Event {
    int64_t at;
    const ZoneType* type;
  };
  std::vector<Event> events;
  for (int64_t y = year - 1; y <= year + 1; ++y) {
    events.push_back({footer->to_summer.in_year(y) - footer->winter.offset, &footer->summer});
    events.push_back({footer->to_winter.in_year(y) - footer->summer.offset, &footer->winter});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  size_t next = 1;
  while (next < events.size() && events[next].at <= unix_seconds) ++next;
  int64_t end = next < events.size() ? events[next].at : kEver;
  return {events[next - 1].type, std::max(begin, events[next - 1].at), end};
}

TimeZone::Tables::Period TimeZone::Tables::at(int64_t unix_seconds) const {
  auto next = std::upper_bound(transitions.begin(), transitions.end(), unix_seconds,
                               [](int64_t t, const Transition& transition) { return t < transition.at; });
  int64_t begin = next == transitions.begin() ? kNever : (next - 1)->at;
  if (next == transitions.end() && footer) return by_footer(unix_seconds, begin);
  int64_t end = next == transitions.end() ? kEver : next->at;
  return {next == transitions.begin() ? &first_type() : &types[(next - 1)->type], begin, end};
}

Result<TimeZone> TimeZone::load(std::string_view name) {
  if (name.empty() || name == "UTC") return utc();
  bool safe = name.find("..") == std::string_view::npos && !name.starts_with('/') && !name.starts_with('\\');
  if (name == "Local") {
    if (const char* variable = std::getenv("TZ")) {
      std::string_view zone = variable;
      if (zone != "Local") return load(zone.starts_with(':') ? zone.substr(1) : zone);
    }
    auto bytes = read_zone_file("/etc/localtime");
    auto tables = bytes ? Tables::parse(*bytes) : nullptr;
    return TimeZone(std::move(tables));  // as Go: without the file, UTC
  }
  for (std::string_view folder : kFolders) {
    auto bytes = safe ? read_zone_file(concat(folder, name)) : std::nullopt;
    auto tables = bytes ? Tables::parse(*bytes) : nullptr;
    if (tables) return TimeZone(std::move(tables));
  }
  return fail(Errc::kInvalid, concat("unknown time zone ", name));
}

int32_t TimeZone::offset_at(int64_t unix_seconds) const { return tables_ ? tables_->at(unix_seconds).type->offset : 0; }

std::string_view TimeZone::name_at(int64_t unix_seconds) const {
  return tables_ ? std::string_view(tables_->at(unix_seconds).type->name) : "UTC";
}

int64_t TimeZone::instant_of(int64_t local) const {
  if (!tables_) return local;
  Tables::Period period = tables_->at(local);  // a first guess, mostly right
  int64_t instant = local - period.type->offset;
  if (instant >= period.begin && instant < period.end) return instant;
  return local - tables_->at(instant).type->offset;
}

std::optional<int32_t> TimeZone::abbreviation(std::string_view name, int64_t local) const {
  if (!tables_) return std::nullopt;
  for (const ZoneType& type : tables_->types) {
    if (type.name != name) continue;
    const ZoneType* used = tables_->at(local - type.offset).type;
    if (used->name == name) return used->offset;
  }
  for (const ZoneType& type : tables_->types) {
    if (type.name == name) return type.offset;
  }
  return std::nullopt;
}

}  // namespace pipeline
