#include "pipeline/stage/stage_arguments.h"

#include <doctest/doctest.h>

#include "pipeline/stage/argument_text.h"
#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

constexpr StageArgument kInner[] = {{"size", ArgumentType::kSize, "1KiB", false, "a size"},
                                    {"numbers", ArgumentType::kNumbers, "", false, "numbers"}};
constexpr StageArgument kKnown[] = {{"text", ArgumentType::kText, "x", false, "a text"},
                                    {"texts", ArgumentType::kTexts, "", false, "texts"},
                                    {"flag", ArgumentType::kBoolean, "true", false, "a flag"},
                                    {"count", ArgumentType::kInteger, "-7", false, "a count"},
                                    {"ratio", ArgumentType::kNumber, "0.5", false, "a ratio"},
                                    {"wait", ArgumentType::kDuration, "3s", false, "a duration"},
                                    {"map", ArgumentType::kTextMap, "", false, "a map"},
                                    {"inner", ArgumentType::kTables, "", true, "tables", kInner}};

std::string refused(std::string_view toml) {
  auto document = *ConfigDocument::parse(concat("inner = {}\n", toml), "t");
  CHECK_FALSE(StageArguments::read(kKnown, document.root()).has_value());
  return document.errors().text();
}

std::string size_error(std::string_view text) { return parse_argument_size(text).error().message; }
std::string duration_error(std::string_view text) { return parse_argument_duration(text).error().message; }

}  // namespace

TEST_CASE("stage arguments: what is not given has its default, whatever its type") {
  auto document = *ConfigDocument::parse("[[inner]]\n[[inner]]\nsize = 5\nnumbers = [1, 2.5]\n", "t");
  auto arguments = StageArguments::read(kKnown, document.root());
  REQUIRE(arguments.has_value());
  CHECK(arguments->text("text") == "x");
  CHECK(arguments->texts("texts").empty());
  CHECK(arguments->boolean("flag"));
  CHECK(arguments->integer("count") == -7);
  CHECK(arguments->number("ratio") == 0.5);
  CHECK(arguments->nanoseconds("wait") == 3'000'000'000);
  CHECK(arguments->text_map("map").empty());
  REQUIRE(arguments->tables("inner").size() == 2);
  CHECK(arguments->tables("inner")[0].integer("size") == 1024);
  CHECK(arguments->tables("inner")[1].integer("size") == 5);
  CHECK(arguments->tables("inner")[1].numbers("numbers") == std::vector<double>{1, 2.5});
  CHECK(arguments->given("inner"));
  CHECK_FALSE(arguments->given("text"));
}

TEST_CASE("stage arguments: a wrong type is named as Alloy does, with its value and place") {
  CHECK(refused("text = 1") == "t:2:8: text: 1 should be string, got number; write it in quotes: \"1\"");
  CHECK(refused("texts = {a = \"b\"}") ==
        "t:2:9: texts: {\"a\" = \"b\"} should be array, got object; write a list: [\"...\"]");
  CHECK(refused("texts = [\"a\", 2]") == "t:2:9: texts: 2 should be string, got number; write it in quotes: \"2\"");
  CHECK(refused("flag = \"true\"") ==
        "t:2:8: flag: \"true\" should be bool, got string; write true or false, without quotes");
  CHECK(refused("count = \"many\"") ==
        "t:2:9: count: \"many\" should be number, got string; write a number without quotes");
  CHECK(refused("map = [\"a\"]") ==
        "t:2:7: map: [\"a\"] should be object, got array; write a table: { name = \"...\" }");
  CHECK(refused("map = {a = [\"b\"]}") == "t:2:7: map: [\"b\"] should be string, got array; write one text in quotes");
  CHECK(refused("wait = 3") == "t:2:8: wait: 3 should be string, got number; write it in quotes: \"3\"");
  CHECK(refused("wait = \"soon\"") ==
        "t:2:8: wait: \"soon\" time: invalid duration \"soon\"; for example \"1h30m\" or \"500ms\"");
  CHECK(refused("wait = 2024-05-06") ==
        "t:2:8: wait: 2024-05-06 should be string, got time; write it in quotes: \"2024-05-06\"");
}

TEST_CASE("stage arguments: tables in them are checked, too, and all faults are told at once") {
  auto document = *ConfigDocument::parse("text = 1\n[[inner]]\nsize = \"5XB\"\nsizes = 1\n", "t");
  CHECK_FALSE(StageArguments::read(kKnown, document.root()).has_value());
  CHECK(document.finish().error().message ==
        "t:1:8: text: 1 should be string, got number; write it in quotes: \"1\"\n"
        "t:3:8: size: \"5XB\" units: unknown unit XB in 5XB; for example \"64KiB\"\n"
        "t:4:1: unrecognized attribute name \"sizes\"; did you mean \"size\"?");
  auto none = *ConfigDocument::parse("", "t");
  CHECK_FALSE(StageArguments::read(kKnown, none.root()).has_value());
  CHECK(none.errors().text() == "t:1:1: missing required block \"inner\"; tables");
}

TEST_CASE("stage arguments: sizes are powers of 1024, may be summed and negative") {
  CHECK(*parse_argument_size("10B") == 10);
  CHECK(*parse_argument_size("1KB") == 1024);
  CHECK(*parse_argument_size("1KiB") == 1024);
  CHECK(*parse_argument_size("1.5MiB") == 1572864);
  CHECK(*parse_argument_size("1KiB5B") == 1029);
  CHECK(*parse_argument_size("-5B") == -5);
  CHECK(*parse_argument_size("0") == 0);
  CHECK(size_error("big") == "units: invalid big");
  CHECK(size_error("") == "units: invalid ");
  CHECK(size_error(".B") == "units: invalid .B");
  CHECK(size_error("5") == "units: unknown unit  in 5");
  CHECK(size_error("5kB") == "units: unknown unit kB in 5kB");
  CHECK(size_error("5XB") == "units: unknown unit XB in 5XB");
  CHECK(size_error("9999EiB") == "units: overflow parsing unit");
}

TEST_CASE("stage arguments: durations are Go's, faults are told in Go's words") {
  CHECK(*parse_argument_duration("1m30s") == 90'000'000'000);
  CHECK(*parse_argument_duration("-1s") == -1'000'000'000);
  CHECK(*parse_argument_duration("0") == 0);
  CHECK(duration_error("") == "time: invalid duration \"\"");
  CHECK(duration_error("soon") == "time: invalid duration \"soon\"");
  CHECK(duration_error("3") == "time: missing unit in duration \"3\"");
  CHECK(duration_error("1s3") == "time: missing unit in duration \"1s3\"");
  CHECK(duration_error("1h2d") == "time: unknown unit \"d\" in duration \"1h2d\"");
  CHECK(duration_error("3x") == "time: unknown unit \"x\" in duration \"3x\"");
}

TEST_SUITE_END();
