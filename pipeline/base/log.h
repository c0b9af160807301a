// Logging: constant lower-case text, then key=value. One event greps as one string.
//
//   log_warn("sink retry", {{"sink", name}, {"attempt", n}, {"error", error.message}});
//   time=2026-11-21T10:00:00.000Z level=warn msg="sink retry" sink=hub attempt=3 error="connection refused"
//
// Levels: error: a person must act. warn: we coped, perhaps not next time. info: start, stop, reload, rotation. debug:
// the rest. Thread:  any. Each line is one write(2) to standard error. Limits:  never a line per entry; the text of
// entries and secrets stay out. `LogLimiter` holds back repeats.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, double v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, const Error& v) : key(k), value(v.message) {}
};

void set_log_level(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view name);  // debug, info, warn, error

void log_event(LogLevel level, std::string_view text, std::initializer_list<LogField> fields);
inline void log_debug(std::string_view t, std::initializer_list<LogField> f = {}) { log_event(LogLevel::kDebug, t, f); }
inline void log_info(std::string_view t, std::initializer_list<LogField> f = {}) { log_event(LogLevel::kInfo, t, f); }
inline void log_warn(std::string_view t, std::initializer_list<LogField> f = {}) { log_event(LogLevel::kWarn, t, f); }
inline void log_error(std::string_view t, std::initializer_list<LogField> f = {}) { log_event(LogLevel::kError, t, f); }

// Lets one event through per interval and counts the others.
//   if (auto held = limiter.allow()) log_warn("disk full", {{"held_back", *held}});
// Thread: any.
class LogLimiter {
 public:
  explicit LogLimiter(std::chrono::nanoseconds interval = std::chrono::seconds(10)) : interval_(interval) {}
  // The number of events held back since the last one let through, or nothing: stay silent.
  std::optional<uint64_t> allow();

 private:
  const std::chrono::nanoseconds interval_;
  std::atomic<int64_t> next_{0};  // monotonic ns
  std::atomic<uint64_t> held_{0};
};

}  // namespace pipeline
