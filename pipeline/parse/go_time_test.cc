#include "pipeline/parse/go_time.h"

#include <doctest/doctest.h>

#include "pipeline/base/time_format.h"

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {
// 2026-11-21T00:00:00Z
constexpr UnixNanos kNow = 1'795'219'200'000'000'000;

std::string parse(std::string_view format, std::string_view text, std::string_view zone = "", UnixNanos now = kNow) {
  auto loaded = TimeZone::load(zone);
  REQUIRE(loaded.has_value());
  auto time = TimeFormat::create(format, *loaded).parse(text, now);
  return time ? format_rfc3339(*time) : "error";
}
}  // namespace

TEST_CASE("go time: named layouts") {
  CHECK(parse("ANSIC", "Mon Jan  2 15:04:05 2023") == "2023-01-02T15:04:05Z");
  CHECK(parse("RFC1123", "Mon, 02 Jan 2023 15:04:05 GMT") == "2023-01-02T15:04:05Z");
  CHECK(parse("RFC822Z", "02 Jan 23 15:04 -0700") == "2023-01-02T22:04:00Z");
  CHECK(parse("RFC3339", "2024-05-06T07:08:09.5+02:00") == "2024-05-06T05:08:09.5Z");
  CHECK(parse("RFC3339Nano", "2024-05-06T07:08:09.123456789Z") == "2024-05-06T07:08:09.123456789Z");
  CHECK(parse("RFC850", "Monday, 02-Jan-23 15:04:05 UTC", "Europe/Berlin") == "2023-01-02T15:04:05Z");
}

TEST_CASE("go time: numbers of seconds and their parts") {
  CHECK(parse("Unix", "1700000000.5") == "2023-11-14T22:13:20.5Z");
  CHECK(parse("Unix", "1714979289.2567634") == "2024-05-06T07:08:09.2567634Z");
  CHECK(parse("Unix", "1700000000.+5") == "2023-11-14T22:13:20.05Z");
  CHECK(parse("Unix", "1700000000.1e3") == "error");
  CHECK(parse("Unix", "1700000000.99999999999999999999") == "error");
  CHECK(parse("2006-01-02 15:04:05 -0700 MST", "2024-05-06 07:08:09 +0200 UTC") == "2024-05-06T07:08:09Z");
  CHECK(parse("2006-01-02 15:04:05 MST-0700", "2024-05-06 07:08:09 UTC-0930") == "2024-05-06T07:08:09Z");
  CHECK(parse("Unix", "-1.5") == "1969-12-31T23:59:59.5Z");
  CHECK(parse("Unix", "1700000000.") == "error");
  CHECK(parse("Unix", "1e9") == "error");
  CHECK(parse("UnixMs", "1700000000123") == "2023-11-14T22:13:20.123Z");
  CHECK(parse("UnixUs", "1700000000123456") == "2023-11-14T22:13:20.123456Z");
  CHECK(parse("UnixNs", "1700000000123456789") == "2023-11-14T22:13:20.123456789Z");
  CHECK(parse("UnixNs", "9223372036854775808") == "error");
  CHECK(parse("Unix", "99999999999999") == "error");
}

TEST_CASE("go time: elements of layouts") {
  CHECK(parse("2006-01-02 15:04:05.000", "2024-05-06 07:08:09.250") == "2024-05-06T07:08:09.25Z");
  CHECK(parse("2006-01-02 15:04:05.000", "2024-05-06 07:08:09.25") == "error");
  CHECK(parse("2006-01-02 15:04:05", "2024-05-06 07:08:09,75") == "2024-05-06T07:08:09.75Z");
  CHECK(parse("Jan _2 2006 3:04PM", "May  6 2024 7:08PM") == "2024-05-06T19:08:00Z");
  CHECK(parse("06", "-4") == "1996-01-01T00:00:00Z");
  CHECK(parse("02/January/2006:15:04:05 -0700", "06/May/2024:07:08:09 +0230") == "2024-05-06T04:38:09Z");
  CHECK(parse("2006-002", "2024-366") == "2024-12-31T00:00:00Z");
  CHECK(parse("2006-002", "2023-366") == "error");
  CHECK(parse("2006-01-02", "2023-02-29") == "error");
  CHECK(parse("2006-01-02T15:04:05Z", "2024-05-06T07:08:09Z") == "2024-05-06T07:08:09Z");
  CHECK(parse("2006-01-02", "2024-05-06x") == "error");
  CHECK(parse("20060102", "1500-01-01") == "error");
  CHECK(parse("2006-01-02", "1500-01-01") == "error");  // outside UnixNanos
}

TEST_CASE("go time: zones and summer time") {
  CHECK(parse("2006-01-02 15:04", "2024-07-06 12:00", "Europe/Berlin") == "2024-07-06T10:00:00Z");
  CHECK(parse("2006-01-02 15:04", "2024-01-06 12:00", "Europe/Berlin") == "2024-01-06T11:00:00Z");
  CHECK(parse("2006-01-02 15:04", "2024-03-31 02:30", "Europe/Berlin") ==
        "2024-03-31T01:30:00Z");  // skipped hour, as Go
  CHECK(parse("2006-01-02 15:04", "2090-07-06 12:00", "Europe/Berlin") == "2090-07-06T10:00:00Z");  // behind the table
  CHECK(parse("2006-01-02 15:04", "2090-07-06 12:00", "Australia/Sydney") == "2090-07-06T02:00:00Z");
  CHECK(parse("2006-01-02 15:04 MST", "2024-01-06 12:00 CEST", "Europe/Berlin") == "2024-01-06T10:00:00Z");
  CHECK(parse("2006-01-02 15:04 MST", "2024-01-06 12:00 XYZ", "Europe/Berlin") == "2024-01-06T12:00:00Z");
  CHECK(TimeZone::load("Mars/Base").error().message == "unknown time zone Mars/Base");
  CHECK_FALSE(TimeZone::load("../../etc/passwd").has_value());
  CHECK_FALSE(TimeZone::load("/etc/localtime").has_value());
}

TEST_CASE("go time: a layout without a year takes that of the read time, across new year") {
  constexpr UnixNanos kJanuary = 1'798'800'000'000'000'000;  // 2027-01-01T10:40:00Z
  CHECK(parse("Jan _2 15:04:05", "Nov 20 10:00:00") == "2026-11-20T10:00:00Z");
  CHECK(parse("Jan _2 15:04:05", "Dec 31 23:59:59", "", kJanuary) == "2026-12-31T23:59:59Z");
  CHECK(parse("Jan _2 15:04:05", "Jan  1 00:00:01", "", kJanuary - 86'400'000'000'000) == "2027-01-01T00:00:01Z");
  CHECK(parse("Jan _2 15:04", "Jul  6 12:00", "Europe/Berlin") == "2026-07-06T10:00:00Z");
}

TEST_SUITE_END();
