#include "pipeline/stage/stage_trace.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "pipeline/stage/stage_reference.h"

using namespace pipeline;

namespace {
std::string explained(const std::string& toml, std::vector<std::string> lines) {
  auto document = ConfigDocument::parse(toml, "test.toml");
  REQUIRE(document.has_value());
  auto stages = StageList::build(document->root(), "stage");
  REQUIRE(document->finish().has_value());
  size_t next = 0;
  std::string text;
  DropCounts drops;
  auto in = [&]() -> std::optional<std::string> {
    if (next == lines.size()) return std::nullopt;
    return lines[next++];
  };
  REQUIRE(explain_stages(
              *stages, 0, in, [&](std::string_view t) { text += t; }, drops, Colour::kNo)
              .has_value());
  return text;
}
}  // namespace

TEST_SUITE("pipeline/stage") {
  TEST_CASE("trace: says of each stage what it did to a line, nested ones under their outer one") {
    CHECK(explained(R"(
[[stage]]
type = "json"
expressions = { level = "" }
[[stage]]
type = "labels"
values = { level = "" }
[[stage]]
type = "match"
selector = '{level="debug"}'
  [[stage.stage]]
  type = "static_labels"
  values = { seen = "yes" }
  [[stage.stage]]
  type = "drop"
  expression = "noise"
)",
                    {R"({"line":"{\"level\":\"debug\"} noise","timestamp":"1970-01-01T00:00:00Z"})",
                     R"({"line":"{\"level\":\"debug\"}","timestamp":"1970-01-01T00:00:00Z"})"}) ==
          R"(line 1  {"level":"debug"} noise
   1 json  (changes nothing)
   2 labels  (changes nothing)
   3 match  (changes nothing)
   => {"timestamp":"1970-01-01T00:00:00Z","labels":{},"line":"{\"level\":\"debug\"} noise"}
line 2  {"level":"debug"}
   1 json
       + extracted level = "debug"
   2 labels
       + label level = "debug"
   3 match
      3.1 static_labels
          + label seen = "yes"
      3.2 drop  (changes nothing)
   => {"timestamp":"1970-01-01T00:00:00Z","labels":{"level":"debug","seen":"yes"},"line":"{\"level\":\"debug\"}"}
)");
  }

  TEST_CASE("trace: says why a line was dropped, what is held back and when it is handed on") {
    std::string text = explained(R"(
[[stage]]
type = "drop"
expression = "noise"
drop_counter_reason = "boring"
[[stage]]
type = "multiline"
firstline = "^>"
)",
                                 {R"({"line":"noise","timestamp":"1970-01-01T00:00:00Z"})",
                                  R"({"line":">one","timestamp":"1970-01-01T00:00:00Z"})",
                                  R"({"line":"two","timestamp":"1970-01-01T00:00:00Z"})"});
    CAPTURE(text);
    CHECK(text.find("   1 drop\n       x dropped, counted under reason \"boring\"\n   => nothing\n") !=
          std::string::npos);
    CHECK(text.find("   2 multiline\n       . held back until more lines or time have come\n") != std::string::npos);
    CHECK(text.find("end of input\n") != std::string::npos);
    CHECK(text.find(R"("line":">one\ntwo")") != std::string::npos);
  }

  TEST_CASE("reference: names every stage and argument, and the nearest stage of a wrong name") {
    CHECK(stage_reference_markdown().find("\n## json\n") != std::string::npos);
    CHECK(stage_list_text().find("\ndrop ") != std::string::npos);
    REQUIRE(stage_help_text("drop").has_value());
    CHECK(stage_help_text("drop")->find("drop_counter_reason") != std::string::npos);
    CHECK(stage_help_markdown("drop")->starts_with("## drop"));
    CHECK(stage_help_text("jsn").error().message == "there is no stage \"jsn\"; did you mean \"json\"?");
    CHECK(stage_help_text("xyzzy").error().message == "there is no stage \"xyzzy\"; `skidway-agent stages` lists them");
  }
}
