#include "pipeline/parse/value_text.h"

#include <cmath>
#include <doctest/doctest.h>

using namespace pipeline;

TEST_SUITE("pipeline/parse") {
  TEST_CASE("values: floats as Go reads them") {
    CHECK(*parse_go_float("1e3") == 1000);
    CHECK(*parse_go_float("-.5") == -0.5);
    CHECK(*parse_go_float("0x1p-1") == 0.5);
    CHECK(*parse_go_float("1_000") == 1000);
    CHECK(*parse_go_float("+Inf") == INFINITY);
    CHECK(*parse_go_float("-infinity") == -INFINITY);
    CHECK(std::isnan(*parse_go_float("NaN")));
    CHECK(*parse_go_float("1e-400") == 0);
    for (std::string_view text : {"", " 1", "1 ", "x", "0x1F", "--1", "1_", "_1", "1__0", "+nan", ".", "e5"}) {
      INFO(std::string(text));
      auto value = parse_go_float(text);
      REQUIRE_FALSE(value.has_value());
      CHECK(value.error().message == "strconv.ParseFloat: parsing \"" + std::string(text) + "\": invalid syntax");
    }
    CHECK(parse_go_float("1e400").error().message == "strconv.ParseFloat: parsing \"1e400\": value out of range");
  }

  TEST_CASE("values: durations as Go reads them") {
    CHECK(*parse_go_duration("1h1.5m") == 3'690'000'000'000);
    CHECK(*parse_go_duration("-1.5s") == -1'500'000'000);
    CHECK(*parse_go_duration("0") == 0);
    CHECK(*parse_go_duration("1s1h1s") == 3'602'000'000'000);
    CHECK(parse_go_duration("x").error().message == "time: invalid duration \"x\"");
    CHECK(parse_go_duration("").error().message == "time: invalid duration \"\"");
    CHECK(parse_go_duration("5").error().message == "time: missing unit in duration \"5\"");
    CHECK(parse_go_duration("1d").error().message == "time: unknown unit \"d\" in duration \"1d\"");
    CHECK(parse_go_duration("9999999h").error().message == "time: invalid duration \"9999999h\"");
  }

  TEST_CASE("values: sizes as people write them") {
    CHECK(*parse_human_bytes("5kb") == 5000);
    CHECK(*parse_human_bytes("1,024 B") == 1024);
    CHECK(*parse_human_bytes("1.5 MiB") == 1'572'864);
    CHECK(*parse_human_bytes("7") == 7);
    CHECK(*parse_human_bytes("2EiB") == uint64_t{1} << 61);
    CHECK(parse_human_bytes("-5").error().message == "strconv.ParseFloat: parsing \"\": invalid syntax");
    CHECK(parse_human_bytes("5xx").error().message == "unhandled size name: xx");
    CHECK(parse_human_bytes("99EB").error().message == "too large: 99EB");
  }
}
