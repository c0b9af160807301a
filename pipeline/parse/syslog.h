// Syslog messages: RFC 5424 (`<165>1 2003-10-11T22:14:15.003Z host app 111 ID47 [id a="b"] text`) and what RFC 3164
// found in the field (`<34>Oct 11 22:14:15 host su[230]: text`), taken apart (agent.md 4.2). Cisco's headers are among
// those: `<189>29: 000123: router1: *Apr  9 18:14:34.112 UTC: %SYS-5-CONFIG_I: text` (counter, sequence, host; each
// may be missing).
//
// Header fields may be longer than RFC 5424 allows and hold any bytes but blanks: a line is not lost over a long name.
// Nothing allocates once `parameters` has grown. Thread: any; a message is scratch space of one owner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/parse/time_zone.h"

namespace pipeline {

enum class SyslogFormat : uint8_t {
  kAuto,  // 5424 where a version and a time (or `-`) follow the priority, else 3164
  kRfc5424,
  kRfc3164,
};

struct SyslogParameter {
  std::string_view element;  // SD-ID
  std::string_view name;     // empty: the element has no parameters
  std::string_view value;    // as written: see append_unescaped()
};

// Views into the parsed text. Empty: the field is absent (`-`).
struct SyslogMessage {
  bool is_rfc5424 = false;
  uint8_t facility = 0;  // 0..23
  uint8_t severity = 0;  // 0..7
  uint16_t version = 0;  // RFC 5424: 1
  std::optional<UnixNanos> time;
  std::string_view time_text;  // RFC 5424 only
  std::string_view hostname, app_name, proc_id, msg_id;
  std::string_view counter, sequence;       // Cisco only
  std::vector<SyslogParameter> parameters;  // in the order of the text; those of one element follow each other
  std::string_view text;                    // without a byte order mark in front
};

// Why a text is no message; constants, fit for a metric's label.
enum class SyslogFault : uint8_t { kNone, kPriority, kVersion, kTime, kHeader, kStructuredData };
std::string_view syslog_fault_name(SyslogFault fault);  // "priority", ...

// `now` supplies the year of RFC 3164 times: the one that puts the time nearest to it; `zone` is that of their clocks.
// A 3164 message without a time or a tag is one all the same: what is not understood stands in `text`.
SyslogFault parse_syslog(std::string_view text, SyslogFormat format, UnixNanos now, const TimeZone& zone,
                         SyslogMessage& out);

std::string_view syslog_severity_name(uint8_t severity);  // "emergency" .. "debug"
std::string_view syslog_facility_name(uint8_t facility);  // "kern" .. "local7"

// The value of a parameter, with `\"`, `\\` and `\]` resolved.
void append_unescaped(std::string& out, std::string_view value);

// The message in RFC 5424's form, elements and parameters sorted by name as go-syslog writes them.
void append_rfc5424(std::string& out, const SyslogMessage& message);

}  // namespace pipeline
