#include "pipeline/parse/cri.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/time_format.h"
#include "pipeline/parse/docker.h"

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {
std::string cri(std::string_view line) {
  CriLine out;
  if (!parse_cri(line, out)) return "no";
  return concat(out.time, "|", out.stream(), "|", out.flags(), "|", out.content);
}
}  // namespace

TEST_CASE("cri: takes the header of a line apart") {
  CHECK(cri("2026-11-01T10:00:00.000000001Z stdout F hello") == "2026-11-01T10:00:00.000000001Z|stdout|F|hello");
  CHECK(cri("2026-11-01T10:00:00.000000001Z stderr P hello ") == "2026-11-01T10:00:00.000000001Z|stderr|P|hello ");
  CHECK(cri("2026-11-01T10:00:00.000000001+02:00 stdout F  x") == "2026-11-01T10:00:00.000000001+02:00|stdout|F| x");
  CHECK(cri("2026-11-01T10:00:00.000000001+02:00 stdout F") == "2026-11-01T10:00:00.000000001+02:00|stdout|F|");
  CHECK(cri("t stdout F ") == "t|stdout|F|");
  CHECK(cri("t stdout F") == "t|stdout|F|");
  CHECK(cri("t stdout ") == "t|stdout|F|");
  CHECK(cri("t stdout hello") == "t|stdout|F|hello");
}

TEST_CASE("cri: refuses what is no CRI line, cut anywhere") {
  for (std::string_view line : {"", " ", "hello", "t  stdout F x", "t stdin F x", "t stdout", "t\tstdout F x"}) {
    CHECK_MESSAGE(cri(line) == "no", line);
  }
  std::string whole = "2026-11-01T10:00:00.000000001+02:00 stdout F x";
  for (size_t length = 0; length < whole.size(); ++length) cri(std::string(whole, 0, length));  // sanitizers look
}

TEST_CASE("cri: times of one minute and of others, valid and not") {
  Rfc3339Parser parser;
  UnixNanos time = 0;
  REQUIRE(parser.parse("2026-11-01T10:00:07.000000001Z", time));
  CHECK(format_rfc3339(time) == "2026-11-01T10:00:07.000000001Z");
  REQUIRE(parser.parse("2026-11-01T10:00:59.999999999Z", time));
  CHECK(format_rfc3339(time) == "2026-11-01T10:00:59.999999999Z");
  REQUIRE(parser.parse("2026-11-01T10:00:00.123456789+02:00", time));
  CHECK(format_rfc3339(time) == "2026-11-01T08:00:00.123456789Z");
  REQUIRE(parser.parse("2026-11-01T10:00:01.123456789+02:00", time));
  CHECK(format_rfc3339(time) == "2026-11-01T08:00:01.123456789Z");
  REQUIRE(parser.parse("2026-11-01T10:00:05,5Z", time));
  CHECK(format_rfc3339(time) == "2026-11-01T10:00:05.5Z");
  REQUIRE(parser.parse("2026-11-01T10:00:05.1234567899Z", time));
  CHECK(format_rfc3339(time) == "2026-11-01T10:00:05.123456789Z");
  REQUIRE(parser.parse("2026-11-01T10:00:06Z", time));
  UnixNanos before = time;
  for (std::string_view bad : {"", "x", "2026-11-01T10:00:60.000000001Z", "2026-11-01T10:00:0x.000000001Z",
                               "2026-11-01T10:00:00.00000000xZ", "2026-11-31T10:00:00Z", "2026-11-01 10:00:00Z"}) {
    CHECK_MESSAGE(!parser.parse(bad, time), bad);
  }
  CHECK(time == before);
}

TEST_CASE("cri: the remembered minute never changes the outcome, on random times") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  Rfc3339Parser parser;
  UnixNanos base = 1'793'527'200'000'000'000;
  for (int i = 0; i < 20000; ++i) {
    UnixNanos time = base + static_cast<UnixNanos>(random() % 200'000'000'000) - 100'000'000'000;
    std::string text = format_rfc3339(time);
    if (random() % 3 == 0) text.replace(text.size() - 1, 1, "+00:00");
    UnixNanos parsed = 0;
    REQUIRE_MESSAGE(parser.parse(text, parsed), text);
    REQUIRE_MESSAGE(parsed == time, text);
  }
}

TEST_CASE("docker: reads log, stream and time in any case and order") {
  DockerParser parser;
  Arena arena;
  DockerLine line;
  REQUIRE(parser.parse(R"({"Stream":"stderr","LOG":"a\tb\n","time":"t","more":[1,{"x":2}]})", arena, line));
  CHECK(line.log == "a\tb\n");
  CHECK(line.stream == "stderr");
  CHECK(line.time == "t");
  REQUIRE(parser.parse("{\"log\":\"a\xff\"}", arena, line));
  CHECK(line.log == "a\xef\xbf\xbd");
  CHECK(line.stream.empty());
  for (std::string_view bad : {"", "x", "[]", "{}", R"({"log":""})", R"({"log":1})", R"({"log":"a"} x)",
                               R"({"log":"a")", R"({"log":"a","stream":1})", R"("log")"}) {
    CHECK_MESSAGE(!parser.parse(bad, arena, line), bad);
  }
}

TEST_SUITE_END();
