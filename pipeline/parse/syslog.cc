#include "pipeline/parse/syslog.h"

#include <algorithm>
#include <cstring>

#include "pipeline/base/invariant.h"
#include "pipeline/base/time_format.h"

namespace pipeline {
namespace {

constexpr UnixNanos kSecond = 1'000'000'000;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What is still to be read.
struct Rest {
  std::string_view text;

  bool at_end() const { return text.empty(); }
  char front() const { return text.empty() ? '\0' : text.front(); }
  bool skip(char c) {
    if (front() != c || text.empty()) return false;
    text.remove_prefix(1);
    return true;
  }
  // One to `most` digits; nothing where there are none.
  std::optional<unsigned> number(size_t most) {
    unsigned value = 0;
    size_t count = 0;
    for (; count < most && count < text.size() && is_digit(text[count]); ++count)
      value = value * 10 + static_cast<unsigned>(text[count] - '0');
    if (count == 0) return std::nullopt;
    text.remove_prefix(count);
    return value;
  }
  std::string_view take(size_t size) {
    std::string_view out = text.substr(0, size);
    text.remove_prefix(out.size());
    return out;
  }
  // Up to the next blank, which stays.
  std::string_view word() { return take(std::min(text.find(' '), text.size())); }
};

bool parse_priority(Rest& rest, SyslogMessage& out) {
  if (!rest.skip('<')) return false;
  auto priority = rest.number(3);
  if (!priority || *priority > 191 || !rest.skip('>')) return false;
  out.facility = static_cast<uint8_t>(*priority / 8);
  out.severity = static_cast<uint8_t>(*priority % 8);
  return true;
}

// `1 2003-` or `1 - `: a version and the beginning of a time.
bool looks_like_rfc5424(Rest rest) {
  if (!rest.number(3) || !rest.skip(' ')) return false;
  if (rest.skip('-')) return rest.front() == ' ' || rest.at_end();
  Rest year = rest;
  return year.number(4) && year.front() == '-' && rest.text.size() - year.text.size() == 4;
}

// --- RFC 5424

// A header field behind its blank; `-` is an absent one.
bool parse_field(Rest& rest, std::string_view& out) {
  if (!rest.skip(' ')) return false;
  out = rest.word();
  if (out.empty()) return false;
  if (out == "-") out = {};
  return true;
}

// NAME="VALUE"; `element` is set already.
bool parse_parameter(Rest& rest, SyslogParameter& out) {
  size_t equals = rest.text.find_first_of("= ]\"");
  if (equals == rest.text.npos || equals == 0 || rest.text[equals] != '=') return false;
  out.name = rest.take(equals);
  rest.skip('=');
  if (!rest.skip('"')) return false;
  size_t at = 0;
  while (at < rest.text.size() && rest.text[at] != '"') at += rest.text[at] == '\\' ? 2 : 1;
  if (at >= rest.text.size()) return false;
  out.value = rest.take(at);
  rest.skip('"');
  return true;
}

// [ID NAME="VALUE" ...]
bool parse_element(Rest& rest, SyslogMessage& out) {
  if (!rest.skip('[')) return false;
  size_t end = rest.text.find_first_of(" ]=\"");
  if (end == rest.text.npos || end == 0 || (rest.text[end] != ' ' && rest.text[end] != ']')) return false;
  SyslogParameter parameter;
  parameter.element = rest.take(end);
  bool any = false;
  while (rest.skip(' ')) {
    if (rest.front() == ']') break;  // a blank before the end is not allowed, and harmless
    if (!parse_parameter(rest, parameter)) return false;
    out.parameters.push_back(parameter);
    any = true;
  }
  if (!any) out.parameters.push_back(parameter);
  return rest.skip(']');
}

bool parse_structured_data(Rest& rest, SyslogMessage& out) {
  if (!rest.skip(' ')) return false;
  if (rest.skip('-')) return rest.at_end() || rest.front() == ' ';
  do {
    if (!parse_element(rest, out)) return false;
  } while (rest.front() == '[');
  return rest.at_end() || rest.front() == ' ';
}

SyslogFault parse_rfc5424(Rest rest, SyslogMessage& out) {
  out.is_rfc5424 = true;
  auto version = rest.number(3);
  if (!version || *version == 0 || rest.front() != ' ') return SyslogFault::kVersion;
  out.version = static_cast<uint16_t>(*version);
  if (!parse_field(rest, out.time_text)) return SyslogFault::kTime;
  if (!out.time_text.empty() && !(out.time = parse_rfc3339(out.time_text))) return SyslogFault::kTime;
  for (std::string_view* field : {&out.hostname, &out.app_name, &out.proc_id, &out.msg_id})
    if (!parse_field(rest, *field)) return SyslogFault::kHeader;
  if (!parse_structured_data(rest, out)) return SyslogFault::kStructuredData;
  rest.skip(' ');
  if (rest.text.starts_with(kByteOrderMark)) rest.text.remove_prefix(kByteOrderMark.size());
  out.text = rest.text;
  return SyslogFault::kNone;
}

// --- RFC 3164

struct Clocks {
  UnixNanos now;
  const TimeZone& zone;

  // Of a time as clocks of the zone show it.
  UnixNanos instant(int64_t local_seconds) const { return zone.instant_of(local_seconds) * kSecond; }
  int64_t year_now() const {
    int64_t seconds = now / kSecond;
    seconds += zone.offset_at(seconds);
    return civil_from_days(seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400).year;
  }
};

std::optional<unsigned> month_of(std::string_view name) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (unsigned i = 0; i < 12; ++i)
    if (kMonths.substr(i * 3, 3) == name) return i + 1;
  return std::nullopt;
}

// `.123456`: nanoseconds; further digits than nine are passed over.
UnixNanos parse_fraction(Rest& rest) {
  if (rest.text.size() < 2 || rest.front() != '.' || !is_digit(rest.text[1])) return 0;
  rest.skip('.');
  UnixNanos nanos = 0, unit = kSecond / 10;
  for (; is_digit(rest.front()); rest.take(1), unit /= 10) nanos += (rest.front() - '0') * unit;
  return nanos;
}

struct DayTime {
  unsigned month, day, hour, minute, second;
  UnixNanos nanos;
  std::optional<unsigned> year;
};

// `Oct 11 22:14:15`, also with a blank instead of the day's first digit, a year behind the day, a fraction.
bool parse_day_time(Rest& rest, DayTime& out) {
  Rest at = rest;
  auto month = month_of(at.take(3));
  if (!month || !at.skip(' ')) return false;
  at.skip(' ');
  auto day = at.number(2);
  if (!day || *day == 0 || *day > 31 || !at.skip(' ')) return false;
  if (Rest year = at; year.text.size() > 4 && year.text[4] == ' ' && (out.year = year.number(4))) {
    if (at.text.size() - year.text.size() != 4) return false;
    at = year;
    at.skip(' ');
  } else {
    out.year.reset();
  }
  std::optional<unsigned> parts[3];
  for (auto& part : parts) {
    if (&part != parts && !at.skip(':')) return false;
    if (!(part = at.number(2))) return false;
  }
  if (*parts[0] > 23 || *parts[1] > 59 || *parts[2] > 60) return false;
  out.month = *month, out.day = *day;
  out.hour = *parts[0], out.minute = *parts[1], out.second = *parts[2];
  out.nanos = parse_fraction(at);
  at.skip(':');  // Cisco
  if (!at.at_end() && at.front() != ' ') return false;
  rest = at;
  return true;
}

UnixNanos time_in(int64_t year, const DayTime& time, const Clocks& clocks) {
  int64_t days = days_from_civil(year, time.month, time.day);
  int64_t seconds = days * 86400 + time.hour * 3600 + time.minute * 60 + time.second;
  return clocks.instant(seconds) + time.nanos;
}

UnixNanos nearest_time(const DayTime& time, const Clocks& clocks) {
  if (time.year) return time_in(std::clamp<int64_t>(*time.year, 1700, 2200), time, clocks);
  int64_t year = clocks.year_now();
  UnixNanos best = time_in(year, time, clocks);
  for (int64_t other : {year - 1, year + 1}) {
    UnixNanos at = time_in(other, time, clocks);
    if (std::abs(at - clocks.now) < std::abs(best - clocks.now)) best = at;
  }
  return best;
}

void parse_local_time(Rest& rest, const Clocks& clocks, SyslogMessage& out) {
  Rest at = rest;
  if (DayTime time; parse_day_time(at, time)) {
    out.time = nearest_time(time, clocks);
  } else if (is_digit(rest.front())) {  // rsyslog's forwarding format has an RFC 3339 time there
    out.time = parse_rfc3339(at.word());
  }
  if (!out.time) return;
  rest = at;
  while (rest.skip(' ')) {}
}

// `29: ` or `router1: `: what a colon and a blank end.
std::string_view parse_cisco_part(Rest& rest, bool digits) {
  size_t end = rest.text.find_first_of(" :");
  if (end == rest.text.npos || end == 0 || !rest.text.substr(end).starts_with(": ")) return {};
  std::string_view part = rest.text.substr(0, end);
  bool number = std::all_of(part.begin(), part.end(), is_digit);
  if (number != digits) return {};
  rest.take(end + 2);
  return part;
}

// Counter, sequence, host, a mark of an unsure clock, the time and perhaps its zone's name: at least one of the first
// four, and the time. The text begins behind it.
bool parse_cisco(Rest& rest, const Clocks& clocks, SyslogMessage& out) {
  Rest at = rest;
  std::string_view counter = parse_cisco_part(at, true), sequence = parse_cisco_part(at, true);
  std::string_view host = parse_cisco_part(at, false);
  bool marked = at.skip('*') || at.skip('.');
  if (counter.empty() && host.empty() && !marked) return false;
  DayTime time;
  if (!parse_day_time(at, time)) return false;
  at.skip(' ');
  size_t zone = std::min(at.text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), at.text.size());
  if (zone >= 2 && zone <= 5 && at.text.substr(zone).starts_with(": ")) at.take(zone + 2);
  out.time = nearest_time(time, clocks);
  out.counter = counter, out.sequence = sequence, out.hostname = host;
  rest = at;
  return true;
}

// `su[230]: ` or `su: `: a name that a colon ends.
bool parse_tag(Rest& rest, SyslogMessage& out) {
  Rest at = rest;
  size_t end = at.text.find_first_of(" :[");
  if (end == at.text.npos || end == 0 || at.text[end] == ' ') return false;
  std::string_view name = at.take(end), id;
  while (at.front() == ':' && at.text.size() > 1 && at.text[1] != ' ') {  // a colon inside of a name: perl::module:
    size_t next = at.text.find_first_of(" :[", 1);
    if (next == at.text.npos || at.text[next] == ' ') return false;
    name = {name.data(), name.size() + next};
    at.take(next);
  }
  if (at.skip('[')) {
    size_t close = at.text.find_first_of("] ");
    if (close == at.text.npos || at.text[close] != ']') return false;
    id = at.take(close);
    at.skip(']');
    if (!at.skip(':') && !at.at_end() && at.front() != ' ') return false;
  } else if (!at.skip(':')) {
    return false;
  }
  at.skip(' ');
  out.app_name = name, out.proc_id = id;
  rest = at;
  return true;
}

SyslogFault parse_rfc3164(Rest rest, const Clocks& clocks, SyslogMessage& out) {
  out.is_rfc5424 = false;
  bool cisco = parse_cisco(rest, clocks, out);
  if (!cisco) parse_local_time(rest, clocks, out);
  if (out.time && !cisco && !parse_tag(rest, out)) {  // programs write no host name to a local socket
    Rest host = rest;
    out.hostname = host.word();
    if (out.hostname.empty() || !host.skip(' ')) {
      out.hostname = {};
    } else {
      while (host.skip(' ')) {}
      rest = host;
      parse_tag(rest, out);
    }
  }
  if (rest.text.starts_with(kByteOrderMark)) rest.text.remove_prefix(kByteOrderMark.size());
  out.text = rest.text;
  return SyslogFault::kNone;
}

void append_field(std::string& out, std::string_view field) {
  out += ' ';
  out += field.empty() ? std::string_view("-") : field;
}

void append_structured_data(std::string& out, std::vector<SyslogParameter> parameters) {
  std::sort(parameters.begin(), parameters.end(), [](const SyslogParameter& a, const SyslogParameter& b) {
    if (a.element != b.element) return a.element < b.element;
    return a.name != b.name ? a.name < b.name : a.value.data() < b.value.data();  // as they stood
  });
  if (parameters.empty()) out += '-';
  for (size_t i = 0; i < parameters.size(); ++i) {
    const SyslogParameter& p = parameters[i];
    if (i == 0 || p.element != parameters[i - 1].element) {
      out += '[';
      out += p.element;
    }
    if (!p.name.empty()) {
      out += ' ';
      out += p.name;
      out += "=\"";
      out += p.value;
      out += '"';
    }
    if (i + 1 == parameters.size() || parameters[i + 1].element != p.element) out += ']';
  }
}

}  // namespace

std::string_view syslog_fault_name(SyslogFault fault) {
  static constexpr std::string_view kNames[] = {"none", "priority", "version", "time", "header", "structured_data"};
  return kNames[static_cast<size_t>(fault)];
}

std::string_view syslog_severity_name(uint8_t severity) {
  static constexpr std::string_view kNames[] = {"emergency", "alert",  "critical",      "error",
                                                "warning",   "notice", "informational", "debug"};
  INVARIANT(severity < std::size(kNames));
  return kNames[severity];
}

std::string_view syslog_facility_name(uint8_t facility) {
  static constexpr std::string_view kNames[] = {"kern",   "user",     "mail",    "daemon",       "auth",     "syslog",
                                                "lpr",    "news",     "uucp",    "cron",         "authpriv", "ftp",
                                                "ntp",    "security", "console", "solaris-cron", "local0",   "local1",
                                                "local2", "local3",   "local4",  "local5",       "local6",   "local7"};
  INVARIANT(facility < std::size(kNames));
  return kNames[facility];
}

SyslogFault parse_syslog(std::string_view text, SyslogFormat format, UnixNanos now, const TimeZone& zone,
                         SyslogMessage& out) {
  Rest rest{text};
  out.time.reset();
  out.parameters.clear();
  out.version = 0;
  out.time_text = out.hostname = out.app_name = out.proc_id = out.msg_id = out.text = {};
  out.counter = out.sequence = {};
  if (!parse_priority(rest, out)) return SyslogFault::kPriority;
  if (format == SyslogFormat::kAuto)
    format = looks_like_rfc5424(rest) ? SyslogFormat::kRfc5424 : SyslogFormat::kRfc3164;
  if (format == SyslogFormat::kRfc5424) return parse_rfc5424(rest, out);
  return parse_rfc3164(rest, {now, zone}, out);
}

void append_unescaped(std::string& out, std::string_view value) {
  for (size_t i = 0; i < value.size(); ++i) {
    bool escape = value[i] == '\\' && i + 1 < value.size() &&
                  (value[i + 1] == '"' || value[i + 1] == '\\' || value[i + 1] == ']');
    if (escape) ++i;
    out += value[i];
  }
}

void append_rfc5424(std::string& out, const SyslogMessage& message) {
  out += concat("<", message.facility * 8 + message.severity, ">", message.version == 0 ? 1 : message.version);
  std::string time(message.time_text);
  if (time.empty() && message.time) time = format_rfc3339(*message.time / 1000 * 1000);
  append_field(out, time);
  for (std::string_view field : {message.hostname, message.app_name, message.proc_id, message.msg_id})
    append_field(out, field);
  out += ' ';
  append_structured_data(out, message.parameters);
  if (message.text.empty()) return;
  out += ' ';
  out += message.text;
}

}  // namespace pipeline
