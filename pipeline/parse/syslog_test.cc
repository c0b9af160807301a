#include "pipeline/parse/syslog.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/time_format.h"

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {

const UnixNanos kNow = *parse_rfc3339("2026-11-21T17:00:00Z");

struct Parsed {
  SyslogMessage message;
  SyslogFault fault = SyslogFault::kNone;

  explicit Parsed(std::string_view text, SyslogFormat format = SyslogFormat::kAuto, UnixNanos now = kNow,
                  const TimeZone& zone = TimeZone::utc())
      : fault(parse_syslog(text, format, now, zone, message)) {}
};

// facility.severity|time|host|app|pid|msgid|text
std::string shown(std::string_view text, SyslogFormat format = SyslogFormat::kAuto, UnixNanos now = kNow) {
  Parsed p(text, format, now);
  if (p.fault != SyslogFault::kNone) return std::string(syslog_fault_name(p.fault));
  const SyslogMessage& m = p.message;
  return concat(syslog_facility_name(m.facility), ".", syslog_severity_name(m.severity), "|",
                m.time ? format_rfc3339(*m.time) : "", "|", m.hostname, "|", m.app_name, "|", m.proc_id, "|", m.msg_id,
                "|", m.text);
}

std::string parameters(std::string_view text) {
  Parsed p(text);
  if (p.fault != SyslogFault::kNone) return std::string(syslog_fault_name(p.fault));
  std::string out;
  for (const SyslogParameter& parameter : p.message.parameters) {
    out += concat(parameter.element, "/", parameter.name, "=");
    append_unescaped(out, parameter.value);
    out += ";";
  }
  return out;
}

std::string rewritten(std::string_view text) {
  std::string out;
  append_rfc5424(out, Parsed(text).message);
  return out;
}

}  // namespace

TEST_CASE("syslog: the examples of RFC 5424") {
  CHECK(
      shown("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick "
            "on /dev/pts/8") ==
      "auth.critical|2003-10-11T22:14:15.003Z|mymachine.example.com|su||ID47|'su root' failed for lonvick on "
      "/dev/pts/8");
  CHECK(shown("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.") ==
        "local4.notice|2003-08-24T12:14:15.000003Z|192.0.2.1|myproc|8710||%% It's time to make the do-nuts.");
  std::string_view structured =
      "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
      "eventSource=\"Application\" eventID=\"1011\"] \xef\xbb\xbf"
      "An application event log entry...";
  CHECK(shown(structured) ==
        "local4.notice|2003-10-11T22:14:15.003Z|mymachine.example.com|evntslog||ID47|An application event log "
        "entry...");
  CHECK(parameters(structured) ==
        "exampleSDID@32473/iut=3;exampleSDID@32473/eventSource=Application;exampleSDID@32473/eventID=1011;");
  CHECK(parameters("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
                   "eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"]") ==
        "exampleSDID@32473/iut=3;exampleSDID@32473/eventSource=Application;exampleSDID@32473/eventID=1011;"
        "examplePriority@32473/class=high;");
}

TEST_CASE("syslog: every field of RFC 5424 may be absent, and no text is an empty one") {
  CHECK(shown("<0>1 - - - - - -") == "kern.emergency||||||");
  CHECK(shown("<191>1 - - - - - - ") == "local7.debug||||||");
  CHECK(shown("<13>1 - - - - - -  x ") == "user.notice|||||| x ");
  CHECK(shown("<13>1 - h a p m [x] a\nb") == "user.notice||h|a|p|m|a\nb");
}

TEST_CASE("syslog: structured data with escapes, empty elements and odd spacing") {
  CHECK(parameters(R"(<13>1 - - - - - [a@1 b="x \"y\" \\ \] \n"] t)") == "a@1/b=x \"y\" \\ ] \\n;");
  CHECK(parameters(R"(<13>1 - - - - - [a][b c=""])") == "a/=;b/c=;");
  CHECK(parameters(R"(<13>1 - - - - - [a b="1" ] t)") == "a/b=1;");
  for (std::string_view bad : {"[",          "[]",       "[a",           "[a b",          "[a b=",
                               "[a b=\"",    "[a b=\"c", "[a b=\"c\"",   "[a b=\"c\\",    "[a b=\"c\\\"",
                               "[a =\"c\"]", "[a b=c]",  "[a b=\"c\"]x", "[a] [b",        "x",
                               "-x",         "",         "[ a]",         "[a b c=\"d\"]", "[a=1]"}) {
    std::string text = concat("<13>1 - - - - - ", bad);
    if (bad == "[a] [b") {
      CHECK(shown(text) == "user.notice||||||[b");  // the text begins behind the blank
    } else {
      CHECK_MESSAGE(shown(text) == "structured_data", text);
    }
  }
}

TEST_CASE("syslog: what is no message says why") {
  for (std::string_view bad : {"", "x", "<", "<>", "<1", "<192>1 - - - - - -", "<1234>x", "<-1>x", "< 1>x", "34>1 x"})
    CHECK_MESSAGE(shown(bad) == "priority", bad);
  auto strict = SyslogFormat::kRfc5424;
  CHECK(shown("<34>Oct 11 22:14:15 mymachine su: x", strict) == "version");
  CHECK(shown("<34>0 - - - - - -", strict) == "version");
  CHECK(shown("<34>1", strict) == "version");
  CHECK(shown("<34>1 ", strict) == "time");
  CHECK(shown("<34>1 2003-10-11 22:14:15 h a p m - x") == "time");
  CHECK(shown("<34>1 2003-13-11T22:14:15Z h a p m - x") == "time");
  CHECK(shown("<34>1 2003-10-11T22:14:15Z h a p") == "header");
  CHECK(shown("<34>1 2003-10-11T22:14:15Z h  p m - x") == "header");
  CHECK(shown("<34>1 2003-10-11T22:14:15Z h a p m") == "structured_data");
}

TEST_CASE("syslog: the examples of RFC 3164, the year being the nearest one") {
  CHECK(shown("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8") ==
        "auth.critical|2026-10-11T22:14:15Z|mymachine|su|||'su root' failed for lonvick on /dev/pts/8");
  CHECK(shown("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!") ==
        "user.notice|2027-02-05T17:32:18Z|10.0.0.99||||Use the BFG!");
  CHECK(shown("<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.") ==
        "local4.notice|2026-08-24T05:34:00Z|CST||||1987 mymachine myproc[10]: %% It's time to make the do-nuts.");
  CHECK(shown("<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!") ==
        "kern.emergency||||||1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!");
  CHECK(shown("Use the BFG!") == "priority");
}

TEST_CASE("syslog: RFC 3164 as it is found in the field") {
  CHECK(shown("<13>Nov 21 16:51:49 host root: hello") == "user.notice|2026-11-21T16:51:49Z|host|root|||hello");
  CHECK(shown("<13>Nov 21 16:51:49 host prog[12]: hello") == "user.notice|2026-11-21T16:51:49Z|host|prog|12||hello");
  CHECK(shown("<13>Nov 21 16:51:49 prog[12]: hello") == "user.notice|2026-11-21T16:51:49Z||prog|12||hello");
  CHECK(shown("<13>Nov 21 16:51:49 prog: hello") == "user.notice|2026-11-21T16:51:49Z||prog|||hello");
  CHECK(shown("<13>Nov 21 16:51:49 host prog[12] hello") == "user.notice|2026-11-21T16:51:49Z|host|prog|12||hello");
  CHECK(shown("<13>Nov 21 16:51:49 host http://a b") == "user.notice|2026-11-21T16:51:49Z|host||||http://a b");
  CHECK(shown("<13>Nov 21 16:51:49 host a::b[1]: x") == "user.notice|2026-11-21T16:51:49Z|host|a::b|1||x");
  CHECK(shown("<13>Nov 21 16:51:49 host prog[1 2]: x") == "user.notice|2026-11-21T16:51:49Z|host||||prog[1 2]: x");
  CHECK(shown("<13>Nov 21 16:51:49 host prog:") == "user.notice|2026-11-21T16:51:49Z|host|prog|||");
  CHECK(shown("<13>Nov 21 16:51:49 host") == "user.notice|2026-11-21T16:51:49Z|||||host");
  CHECK(shown("<13>Nov 21 16:51:49") == "user.notice|2026-11-21T16:51:49Z|||||");
  CHECK(shown("<13>Nov  1 16:51:49.25 h t: x") == "user.notice|2026-11-01T16:51:49.25Z|h|t|||x");
  CHECK(shown("<13>Nov 1 2024 16:51:49 h t: x") == "user.notice|2024-11-01T16:51:49Z|h|t|||x");
  CHECK(shown("<13>2026-11-21T16:51:49.123456+01:00 h t[9]: x") == "user.notice|2026-11-21T15:51:49.123456Z|h|t|9||x");
  for (std::string_view odd : {"<13>", "<13>x", "<13>Nov", "<13>Nov 32 16:51:49 h t: x", "<13>Nov 21 24:51:49 h t: x",
                               "<13>nov 21 16:51:49 h t: x", "<13>Nov 21 16:51 h t: x", "<13>99 x", "<13>1 x"}) {
    CHECK_MESSAGE(shown(odd) == concat("user.notice||||||", odd.substr(4)), odd);
  }
}

TEST_CASE("syslog: the headers of Cisco's devices") {
  auto cisco = [](std::string_view text) {
    Parsed p(text);
    return concat(p.message.counter, "|", p.message.sequence, "|", p.message.hostname, "|",
                  p.message.time ? format_rfc3339(*p.message.time) : "", "|", p.message.text);
  };
  CHECK(cisco("<189>29: 000123: router1: *Apr  9 2026 18:14:34.112 UTC: %SYS-5-CONFIG_I: Configured from console") ==
        "29|000123|router1|2026-04-09T18:14:34.112Z|%SYS-5-CONFIG_I: Configured from console");
  CHECK(cisco("<189>29: *Nov  9 18:14:34: %SYS-5-CONFIG_I: x") == "29|||2026-11-09T18:14:34Z|%SYS-5-CONFIG_I: x");
  CHECK(cisco("<189>router1: Nov  9 18:14:34.1: %A-5-B: x") == "||router1|2026-11-09T18:14:34.1Z|%A-5-B: x");
  CHECK(cisco("<189>.Nov  9 18:14:34 CET: %A-5-B: x") == "|||2026-11-09T18:14:34Z|%A-5-B: x");
  CHECK(cisco("<189>29: no time: x") == "||||29: no time: x");
  CHECK(cisco("<189>29: ") == "||||29: ");
  CHECK(cisco("<13>Nov  9 18:14:34 host prog: x") == "||host|2026-11-09T18:14:34Z|x");
}

TEST_CASE("syslog: a time without a year lies near now, around New Year and on a leap day") {
  UnixNanos january = *parse_rfc3339("2027-01-01T00:00:05Z"), december = *parse_rfc3339("2026-12-31T23:59:50Z");
  CHECK(shown("<13>Dec 31 23:59:58 h t: x", SyslogFormat::kAuto, january).find("2026-12-31T23:59:58Z") !=
        std::string::npos);
  CHECK(shown("<13>Jan  1 00:00:03 h t: x", SyslogFormat::kAuto, december).find("2027-01-01T00:00:03Z") !=
        std::string::npos);
  UnixNanos leap = *parse_rfc3339("2028-03-01T00:00:00Z");
  CHECK(shown("<13>Feb 29 10:00:00 h t: x", SyslogFormat::kAuto, leap).find("2028-02-29T10:00:00Z") !=
        std::string::npos);
}

TEST_CASE("syslog: times of RFC 3164 are those of the zone given") {
  auto zone = TimeZone::load("Europe/Berlin");
  REQUIRE(zone.has_value());
  Parsed p("<13>Nov 21 16:51:49 h t: x", SyslogFormat::kAuto, kNow, *zone);
  REQUIRE(p.message.time.has_value());
  CHECK(format_rfc3339(*p.message.time) == "2026-11-21T15:51:49Z");
}

TEST_CASE("syslog: a message is written again in the form of RFC 5424") {
  CHECK(rewritten("<165>1 2003-10-11T22:14:15.003Z h a - ID47 [z@1 d=\"4\" c=\"\\\"3\"][b] text") ==
        "<165>1 2003-10-11T22:14:15.003Z h a - ID47 [b][z@1 c=\"\\\"3\" d=\"4\"] text");
  CHECK(rewritten("<13>1 - - - - - -") == "<13>1 - - - - - -");
  CHECK(rewritten("<34>Oct 11 22:14:15 mymachine su[7]: x") == "<34>1 2026-10-11T22:14:15Z mymachine su 7 - - x");
}

TEST_CASE("syslog: random changes to messages never leave their bytes") {
  std::mt19937 random(20261121);
  std::string whole = "<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 [a@1 b=\"c\\\"\"][d] text";
  std::string local = "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = round % 2 ? whole : local;
    text.resize(random() % (text.size() + 1));
    for (unsigned i = random() % 3; i > 0 && !text.empty(); --i)
      text[random() % text.size()] = "<>[]\"\\ :1-="[random() % 11];
    std::string exact(text);  // its own allocation: sanitizers see a step behind the end
    Parsed p(exact);
    if (p.fault != SyslogFault::kNone) continue;
    std::string again;
    append_rfc5424(again, p.message);
    Parsed second(again);
    INFO(text);
    CHECK(second.fault == SyslogFault::kNone);
    CHECK(second.message.text == p.message.text);
  }
}
