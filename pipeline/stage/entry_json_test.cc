#include "pipeline/stage/entry_json.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/parse/json.h"

using namespace pipeline;

TEST_SUITE_BEGIN("stage");

TEST_CASE("entry json: writes an entry as one line") {
  std::string out;
  append_entry_json(out, 1'793'527'200'000'000'001, LabelSet::from({{"b", ""}, {"a", "x\"y"}}), "l\n\x01\xC3\xA4", {});
  CHECK(out ==
        "{\"timestamp\":\"2026-11-01T10:00:00.000000001Z\",\"labels\":{\"a\":\"x\\\"y\",\"b\":\"\"},"
        "\"line\":\"l\\n\\u0001\xC3\xA4\"}\n");
  out.clear();
  append_entry_json(out, 0, {}, "\xFF", {{"m", "v"}, {"bytes", "\xFE\xFF"}});
  CHECK(out ==
        "{\"timestamp\":\"1970-01-01T00:00:00Z\",\"labels\":{},\"line_b64\":\"/w==\","
        "\"structured_metadata\":{\"m\":\"v\",\"bytes\":{\"b64\":\"/v8=\"}}}\n");
}

TEST_CASE("entry json: a JSON string is valid whatever the bytes") {
  std::string out;
  append_json_string(out,
                     "a\xFF"
                     "b\xC3");
  CHECK(out ==
        "\"a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\"");
}

TEST_CASE("entry json: every entry comes back as it was") {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  auto text = [&] {
    std::string out;
    for (size_t n = random() % 12; n > 0; --n) out += random() % 2 ? static_cast<char>(random()) : 'a';
    return out;
  };
  for (int round = 0; round < 500; ++round) {
    const LabelSet labels = LabelSet::from({{"a", text()}, {"b", text()}});
    const std::string line = text(), value = text();
    const UnixNanos time = static_cast<UnixNanos>(random() % 4'000'000'000'000'000'000);
    std::string out;
    append_entry_json(out, time, labels, line, {{"m", value}});
    auto back = parse_entry_json(out);
    REQUIRE(back.has_value());
    CHECK(back->time == time);
    CHECK(back->labels == labels);
    CHECK(back->line == line);
    CHECK(back->metadata == std::vector<std::pair<std::string, std::string>>{{"m", value}});
    CHECK(check_json(out).has_value());
  }
}

TEST_CASE("entry json: says what is wrong with a line") {
  auto message = [](std::string_view text) {
    auto entry = parse_entry_json(text);
    return entry ? std::string("fine") : entry.error().message;
  };
  CHECK(message("{\"line\":\"x\"}") == "fine");
  CHECK(message("x") == "not a JSON object");
  CHECK(message("[]") == "not a JSON object");
  CHECK(message("{}") == "no line");
  CHECK(message("{\"line\":1}") == "line is not a string");
  CHECK(message("{\"line\":\"\",\"timestamp\":\"now\"}") == "timestamp is not an RFC 3339 time: now");
  CHECK(message("{\"line\":\"\",\"labels\":[]}") == "labels is not an object");
  CHECK(message("{\"line\":\"\",\"labels\":{\"a\":1}}") == "labels: a value is neither a string nor {\"b64\":...}: 1");
  CHECK(message("{\"line_b64\":\"a\"}") == "\"a\" is not base64");
}

TEST_SUITE_END();
