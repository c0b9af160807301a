#include "pipeline/parse/cri.h"

#include <algorithm>
#include <cstring>

namespace pipeline {

namespace {

constexpr size_t kMinuteLength = 16;  // 2026-11-01T10:00
constexpr size_t kFractionEnd = 29;   // :00.123456789

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

uint64_t load8(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The word `stdout ` or `stderr ` as eight bytes read at the blank before it.
constexpr uint64_t word_of(const char (&text)[9]) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | static_cast<uint8_t>(text[i]);
  return word;
}
constexpr uint64_t kStdout = word_of(" stdout "), kStderr = word_of(" stderr ");

// Behind the time, at the blank before the stream.
bool parse_behind_time(std::string_view line, size_t at, CriLine& out) {
  if (line.size() - at < 8) return false;
  uint64_t word = load8(line.data() + at);
  if (word != kStdout && word != kStderr) return false;
  out.time = line.substr(0, at);
  out.is_stderr = word == kStderr;
  at += 8;
  out.is_partial = false;
  if (at < line.size() && (line[at] == 'F' || line[at] == 'P')) out.is_partial = line[at++] == 'P';
  if (at < line.size() && line[at] == ' ') ++at;
  out.content = line.substr(at);
  return true;
}

}  // namespace

bool parse_cri(std::string_view line, CriLine& out) {
  // The usual lengths of the time first: nanoseconds with Z or with an offset.
  if (line.size() > 36 && line[30] == ' ' && line[29] == 'Z') return parse_behind_time(line, 30, out);
  if (line.size() > 41 && line[35] == ' ' && line[32] == ':') return parse_behind_time(line, 35, out);
  size_t at = 0;
  while (at < line.size() && !is_blank(line[at])) ++at;
  return parse_behind_time(line, at, out);
}

Rfc3339Parser::Rfc3339Parser() : layout_(GoTimeLayout::compile("2006-01-02T15:04:05.999999999Z07:00")) {}

bool Rfc3339Parser::parse(std::string_view text, UnixNanos& out) {
  // 2026-11-01T10:00:00.123456789Z, in the minute and zone of the last one
  if (text.size() != kFractionEnd + zone_length_ || text[16] != ':' || text[19] != '.' ||
      std::memcmp(text.data(), minute_text_, kMinuteLength) != 0 ||
      std::memcmp(text.data() + kFractionEnd, zone_text_, zone_length_) != 0) {
    return parse_slowly(text, out);
  }
  auto digit = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i] - '0')); };
  uint32_t tens = digit(17), ones = digit(18), nanos = 0, odd = 0;
  for (size_t i = 20; i < kFractionEnd; ++i) {
    uint32_t d = digit(i);
    nanos = nanos * 10 + d;
    odd |= static_cast<uint32_t>(d > 9);
  }
  if (odd != 0 || tens > 5 || ones > 9) return parse_slowly(text, out);
  out = minute_ + static_cast<UnixNanos>(tens * 10 + ones) * 1'000'000'000 + nanos;
  return true;
}

bool Rfc3339Parser::parse_slowly(std::string_view text, UnixNanos& out) {
  auto civil = layout_.parse(text);
  if (!civil) return false;
  auto time = to_unix(*civil, TimeZone::utc());
  if (!time) return false;
  out = *time;
  size_t zone = text.size() - std::min(kFractionEnd, text.size());
  bool usual = (zone == 1 || zone == 6) && text[16] == ':' && text[19] == '.';
  if (!usual) return true;
  minute_ = *time - static_cast<UnixNanos>(civil->second) * 1'000'000'000 - civil->nanos;
  std::memcpy(minute_text_, text.data(), kMinuteLength);
  std::memcpy(zone_text_, text.data() + kFractionEnd, zone);
  zone_length_ = zone;
  return true;
}

}  // namespace pipeline
