#include "pipeline/codec/push_json.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/codec/push_collector.h"

using namespace pipeline;

namespace {

std::vector<CollectedStream> read(std::string_view body) {
  PushCollector collector;
  auto result = decode_push_json(body, collector);
  CAPTURE(body);
  if (!result) FAIL(result.error().message);
  return collector.streams;
}
std::string fault(std::string_view body) {
  PushCollector collector;
  auto result = decode_push_json(body, collector);
  if (result) return "";
  CHECK(result.error().code == Errc::kInvalid);
  return result.error().message;
}
std::string values(std::string_view entries) {
  return concat(R"({"streams":[{"stream":{"a":"b"},"values":[)", entries, "]}]}");
}
std::string labels_of(std::string_view stream) {
  return read(concat(R"({"streams":[{"values":[],"stream":)", stream, "}]}"))[0].labels;
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("codec: a push in json is read like one in protobuf") {
    auto streams = read(R"({"streams":[
      {"stream":{"env":"prod","app":"api"},
       "values":[["1700000000000000001","first line"],
                 ["1700000000000000002","second \"line\"\n\u00e9",{"trace_id":"0242ac120002","us\u0065r":"4\t2"}],
                 ["-5","",{}]]}]})");
    REQUIRE(streams.size() == 1);
    CHECK(streams[0].labels == R"({app="api", env="prod"})");
    CHECK(streams[0].announced == 3);
    REQUIRE(streams[0].entries.size() == 3);
    CHECK(streams[0].entries[0] == CollectedEntry{1'700'000'000'000'000'001, "first line", {}});
    CHECK(streams[0].entries[1] == CollectedEntry{1'700'000'000'000'000'002,
                                                  "second \"line\"\né",
                                                  {{"trace_id", "0242ac120002"}, {"user", "4\t2"}}});
    CHECK(streams[0].entries[2] == CollectedEntry{-5, "", {}});
  }

  TEST_CASE("codec: json keys come in any order, unknown ones and later elements are ignored") {
    auto streams = read(R"( {"x":[1,{"streams":2}],"streams":[{"z":{},"values":[["1","a",{},5,[6]]],"y":null,
                             "stream":{"k":"v"}}],"w":"}"} {"streams":[{}]})");
    REQUIRE(streams.size() == 1);
    CHECK(streams[0].labels == R"({k="v"})");
    REQUIRE(streams[0].entries.size() == 1);
    CHECK(streams[0].entries[0].line == "a");
  }

  TEST_CASE("codec: nothing where something might be is fine in json") {
    CHECK(read("{}").empty());
    CHECK(read(R"({"streams":[]})").empty());
    CHECK(read(R"({"streams":null})").empty());
    CHECK(read(R"({"streams":[{}]})") == std::vector<CollectedStream>{{"{}", 0, {}}});
    CHECK(read(R"({"Streams":[{"values":null}],"STREAMS":[{}]})").size() == 2);
    CHECK(read(R"({"streams":[{"values":null}]})") == std::vector<CollectedStream>{{"{}", 0, {}}});
    CHECK(read("null").empty());
    CHECK(read(values("null"))[0].entries.empty());
    auto entries = read(values(R"(null,["1"],["2","x",{"empty":"","k":"v"}])"))[0].entries;
    REQUIRE(entries.size() == 2);
    CHECK(entries[0] == CollectedEntry{1, "", {}});
    CHECK(entries[1] == CollectedEntry{2, "x", {{"k", "v"}}});
  }

  TEST_CASE("codec: json label values that are no strings are taken as their text") {
    CHECK(labels_of(R"({"n":5 , "z" : null,"t":true,"o":{ } ,"l":[1, "a"],"f":-1.5e3 })") ==
          R"({f="-1.5e3", l="[1, \"a\"]", n="5", o="{ }", t="true", z="null"})");
    CHECK(labels_of(R"({"a":"1","a":"2"})") == R"({a="2"})");
    CHECK(labels_of(R"({"bad name":"q\"uote"})") == R"({bad name="q\"uote"})");
    CHECK(labels_of("{}") == "{}");
  }

  TEST_CASE("codec: wrong kinds in json are refused with a place") {
    CHECK(fault(values(R"(["1","a"],["2",7])")) == "values[1]: line: a string expected, got 7");
    CHECK(fault(values(R"([1700000000000000001,"a"])")) ==
          "values[0]: timestamp: a string expected, got 1700000000000000001");
    CHECK(fault(values(R"(["12x","a"])")) == "values[0]: timestamp: decimal nanoseconds expected, got \"12x\"");
    CHECK(fault(values(R"(["","a"])")) == "values[0]: timestamp: decimal nanoseconds expected, got \"\"");
    CHECK(fault(values(R"(["99999999999999999999","a"])")).starts_with("values[0]: timestamp"));
    CHECK(fault(values(R"(["+-1","a"])")).starts_with("values[0]: timestamp"));
    CHECK(fault(values("[]")) == "values[0]: entry: a time and a line expected, got []");
    CHECK(fault(values(R"(["1","a",null])")).starts_with("values[0]: structured metadata"));
    CHECK(fault(values(R"(["1","a",{"k":5}])")) == "values[0]: structured metadata: a string expected, got 5");
    CHECK(fault(values(R"(["1","a",{"k":null}])")).starts_with("values[0]: structured metadata"));
    CHECK(fault(values(R"({"1":"a"})")).starts_with("values[0]: entry"));
    CHECK(fault(values(R"(["1",null])")) == "values[0]: line: a string expected, got null");
    CHECK_FALSE(fault(R"({"streams":{}})").empty());
    CHECK_FALSE(fault(R"({"streams":[5]})").empty());
    CHECK_FALSE(fault(R"({"streams":[null]})").empty());
    CHECK_FALSE(fault(R"({"streams":[{"stream":"x"}]})").empty());
  }

  TEST_CASE("codec: what is not json or half a surrogate is refused") {
    for (std::string_view bad : {"", " ", "[]", "5", "{", R"({"streams":[)", R"({"streams":[{"values":[["1","a"])",
                                 R"({"streams":[{"values":[["1","a]]}]})", "{\"streams\"}", R"({"streams" [{}]})"}) {
      CAPTURE(bad);
      CHECK_FALSE(fault(bad).empty());
    }
    CHECK(fault("null").empty());  // Go's decoder leaves what it fills as it was: nothing is pushed
    CHECK_FALSE(fault(values("[\"1\",\"a\tb\"]")).empty());
    CHECK_FALSE(fault(values(R"(["1","\ud800"])")).empty());
    CHECK_FALSE(fault(values(R"(["1","\ud800x"])")).empty());
    CHECK_FALSE(fault(values(R"(["1","\q"])")).empty());
    CHECK(read(values(R"(["1","\ud83d\ude00"])"))[0].entries[0].line == "😀");
  }

  TEST_CASE("codec: a byte that is no UTF-8 is read as U+FFFD, in lines, metadata and labels") {
    auto entries = read(values("[\"1\",\"a\xff\xc3(b\",{\"k\":\"\xed\xa0\x80\"}],[\"2\",\"naïve 日本\"]"))[0].entries;
    REQUIRE(entries.size() == 2);
    CHECK(entries[0] == CollectedEntry{1, "a\ufffd\ufffd(b", {{"k", "\ufffd\ufffd\ufffd"}}});
    CHECK(entries[1] == CollectedEntry{2, "naïve 日本", {}});
    CHECK(labels_of("{\"a\":\"\xff\"}") == "{a=\"\ufffd\"}");
  }

  TEST_CASE("codec: what stands behind the first document is ignored, whatever it is") {
    const std::string body = values(R"(["1","}]{[\"\\"])");
    for (std::string_view behind :
         {" ", "\n{}", R"({"streams":5})", "trailing", ",", "}", "]", "\"", "\x01", "\xff", "{\"a\":"}) {
      CAPTURE(behind);
      auto streams = read(body + std::string(behind));
      REQUIRE(streams.size() == 1);
      CHECK(streams[0].entries.size() == 1);
    }
    CHECK_FALSE(fault("[]" + body).empty());
    CHECK_FALSE(fault("x" + body).empty());
  }

  TEST_CASE("codec: mutated json never makes the decoder read outside") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::string whole = values(R"(["1","a\"b"],["2","long enough a line to fill a block",{"k":"v\u00e9"}],null)");
    for (int round = 0; round < 20'000; ++round) {
      std::string bytes = whole;
      for (uint32_t n = 1 + random() % 4; n > 0 && !bytes.empty(); --n) {
        size_t at = random() % bytes.size();
        switch (random() % 4) {
          case 0: bytes[at] = "\"\\[]{},:0n \xff"[random() % 12]; break;
          case 1: bytes.erase(at, 1 + random() % 6); break;
          case 2: bytes.insert(at, 1, "\"\\[]{},:0n "[random() % 11]); break;
          default: bytes.resize(at);
        }
      }
      std::vector<char> exact(bytes.begin(), bytes.end());
      PushCollector collector;
      auto result = decode_push_json({exact.data(), exact.size()}, collector);
      if (!result) CHECK_FALSE(result.error().message.empty());
    }
  }

  TEST_CASE("codec: a push in the older json form is read like the newer one") {
    PushCollector legacy;
    REQUIRE(decode_legacy_push_json(R"({"streams":[{"entries":[
        {"line":"a","ts":"2023-11-14T22:13:20.000000001Z","structuredMetadata":{"k":"v","empty":""}},
        {"ts":"2023-11-14T23:13:20+01:00","line":"b \"c\""}],"labels":"{app=\"api\"}"},{"labels":"{}"}]})",
                                    legacy)
                .has_value());
    REQUIRE(legacy.streams.size() == 2);
    CHECK(legacy.streams[0].labels == "{app=\"api\"}");
    CHECK(legacy.streams[0].entries == std::vector<CollectedEntry>{{1'700'000'000'000'000'001, "a", {{"k", "v"}}},
                                                                   {1'700'000'000'000'000'000, "b \"c\"", {}}});
    for (std::string_view body :
         {R"({"streams":[{"entries":[{"line":"a"}]}]})", R"({"streams":[{"entries":[{"ts":"5","line":"a"}]}]})",
          R"({"streams":[{"entries":5}]})", R"({"streams":[{"labels":5}]})"})
      CHECK_FALSE(decode_legacy_push_json(body, legacy).has_value());
  }
}
