#include "server/ingest/level_detector.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "server/ingest/level_words.h"
#include "server/limits/tenant_limits.h"

using namespace server;
using pipeline::concat;
using pipeline::LabelSet;

TEST_SUITE_BEGIN("server/ingest");

namespace {

std::string_view of_line(std::string_view line) {
  static const LevelDetector detector(default_log_level_fields(), 2);
  return detector.of_line(line);
}

}  // namespace

TEST_CASE("level: the first whole word of a line that is a level tells it") {
  CHECK(of_line("") == "unknown");
  CHECK(of_line("all is well") == "unknown");
  CHECK(of_line("INFO all is well") == "info");
  CHECK(of_line("2026-11-01 [Warning] disk: error") == "warn");
  CHECK(of_line("an err, then a debug") == "error");
  CHECK(of_line("Critical!") == "critical");
  CHECK(of_line("x (fatal)") == "fatal");
  CHECK(of_line("the errors and the warnings") == "unknown");
  CHECK(of_line("terror preinfo") == "unknown");
  CHECK(of_line("info.log error") == "error");  // '.' is no boundary
  CHECK(of_line("|trace debug") == "trace");
  CHECK(of_line("trace|pipe") == "unknown");
  CHECK(of_line("a\nerror\nb") == "error");
  CHECK(of_line("wrn dbg inf") == "unknown");  // abbreviations count in fields only
}

TEST_CASE("level: words are found wherever they begin and however long the line is") {
  for (size_t before = 0; before < 100; ++before) {
    for (size_t after : {0, 1, 15, 16, 40}) {
      CAPTURE(before);
      CAPTURE(after);
      for (std::string_view word : {"trace", "debug", "fatal", "critical", "error", "warn", "info"}) {
        std::string line = concat(std::string(before, before % 2 ? 'e' : '.'), " ", word, " ", std::string(after, 'x'));
        CHECK(of_line(line) == word);
        CHECK(of_line(concat(std::string(before, ' '), word)) == word);
      }
    }
  }
}

TEST_CASE("level: of a JSON line the first string under one of the names, at most two objects deep") {
  CHECK(of_line(R"({"a":1,"level":"WRN"})") == "warn");
  CHECK(of_line(R"(  {"a":[{"level":"error"}],"lvl":"dbg"}  )") == "debug");
  CHECK(of_line(R"({"a":{"severity":"fatal"},"level":"info"})") == "fatal");
  CHECK(of_line(R"({"a":{"b":{"level":"fatal"}},"x":1})") == "fatal");  // the word
  CHECK(of_line(R"({"a":{"b":{"level":"wrn"}},"x":1})") == "unknown");
  CHECK(of_line(R"({"lEvEl":"wrn"})") == "unknown");
  CHECK(of_line(R"({"level":3,"msg":"an error"})") == "error");
  CHECK(of_line(R"({"level":"strange","msg":"an error"})") == "error");
  CHECK(of_line(R"({"msg":"a \"level\":\"wrn\" b\\","level":"inf"})") == "info");
  CHECK(of_line(R"({"msg" "x", "level":"inf"})") == "unknown");
  CHECK(of_line("{}") == "unknown");
  CHECK(of_line("{") == "unknown");
  CHECK(of_line(R"({"a":"})") == "unknown");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
  CHECK(LevelDetector(default_log_level_fields(), 0).of_line(deep + "}") == "unknown");
  CHECK(LevelDetector(default_log_level_fields(), 0).of_line(R"({"a":{"b":{"level":"wrn"}},"x":1})") == "warn");
}

TEST_CASE("level: fields are found wherever they stand in a line") {
  for (size_t before = 0; before < 70; ++before) {
    for (size_t after : {0, 1, 15, 40}) {
      CAPTURE(before);
      CAPTURE(after);
      const std::string head(before, 'x'), tail(after, 'y');
      CHECK(of_line(concat("k", head, "=1 level=wrn b=", tail)) == "warn");
      CHECK(of_line(concat(head, "level=wrn b=", tail)) == (before == 0 ? "warn" : "unknown"));
      CHECK(of_line(concat(R"({"a":")", head, R"(\"","level":"wrn","b":")", tail, R"("})")) == "warn");
      CHECK(of_line(concat(R"({"a":")", head, R"(\","level":"wrn","b":")", tail, R"("})")) == "unknown");
    }
  }
}

TEST_CASE("level: of a logfmt line the value of the best name in any case, before the first fault") {
  CHECK(of_line("a=b level=wrn") == "warn");
  CHECK(of_line("LEVEL=inf") == "info");
  CHECK(of_line("lvl=dbg level=inf") == "info");
  CHECK(of_line("severity=trc lvl=dbg") == "trace");
  CHECK(of_line(R"(msg="x level=wrn y" a=b)") == "unknown");
  CHECK(of_line(R"(msg="x" level="err")") == "error");
  CHECK(of_line("a=\"open level=wrn") == "unknown");
  CHECK(of_line("bad\"key level=wrn") == "unknown");
  CHECK(of_line("level=strange an error") == "error");
  CHECK(of_line("mylevel=wrn") == "unknown");
  CHECK(of_line("=level=wrn") == "unknown");
}

TEST_CASE("level: labels and metadata go before the line") {
  LevelDetector detector(default_log_level_fields(), 2);
  auto labels = [](std::string_view text) { return *LabelSet::parse(text); };
  CHECK(detector.of_labels(labels(R"({severity="x", level="WARNING"})")) == "warn");
  CHECK(detector.of_labels(labels(R"({lvl="odd"})")) == "odd");
  CHECK(!detector.of_labels(labels(R"({a="b"})")));
  std::vector<MetadataPair> metadata{{"severity_number", "17"}, {"severity_text", "Odd"}};
  CHECK(detector.of_metadata(metadata) == "Odd");
  metadata.pop_back();
  for (auto [number, level] : std::vector<std::pair<std::string_view, std::string_view>>{{"0", "unknown"},
                                                                                         {"1", "trace"},
                                                                                         {"4", "trace"},
                                                                                         {"5", "debug"},
                                                                                         {"9", "info"},
                                                                                         {"13", "warn"},
                                                                                         {"17", "error"},
                                                                                         {"20", "error"},
                                                                                         {"21", "fatal"},
                                                                                         {"24", "fatal"},
                                                                                         {"25", "unknown"},
                                                                                         {"-3", "trace"},
                                                                                         {"+9", "info"},
                                                                                         {"x", "info"},
                                                                                         {"9x", "info"}}) {
    metadata[0].second = number;
    CHECK_MESSAGE(detector.of_metadata(metadata) == level, number);
  }
  metadata[0].first = "other";
  CHECK(!detector.of_metadata(metadata));
}

TEST_CASE("level: with other names, or none") {
  CHECK(LevelDetector({"p"}, 2).of_line(R"({"level":"wrn","p":"err"})") == "error");
  CHECK(LevelDetector({}, 2).of_line(R"({"level":"wrn"})") == "unknown");
  CHECK(LevelDetector({}, 2).of_line("level=wrn") == "unknown");
  CHECK(LevelDetector({}, 2).of_line("level=warn") == "warn");
}
