#include "pipeline/config/config.h"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <map>

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

ConfigDocument::Environment fake_environment(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    auto at = variables.find(name);
    if (at == variables.end()) return std::nullopt;
    return at->second;
  };
}

ConfigDocument parsed(std::string_view text, std::map<std::string, std::string> variables = {}) {
  auto document = ConfigDocument::parse(text, "agent.toml", fake_environment(std::move(variables)));
  if (!document) FAIL(document.error().message);
  return *std::move(document);
}

std::string errors_of(const ConfigDocument& document) {
  auto result = document.finish();
  if (result) return "";
  CHECK(result.error().code == Errc::kInvalid);
  return result.error().message;
}

}  // namespace

TEST_SUITE("config") {
  TEST_CASE("config: every kind of value is read, and absent ones give their defaults") {
    ConfigDocument document = parsed(R"(
text = "x"
wait = "1m30s"
room = "64KiB"
bytes = 4096
on = true
count = 7
ratio = 0.5
list = ["a", "b"]
one = "a"
buckets = [1, 2.5]
labels = { z = "1", a = "2" }
[http]
listen = ":80"
[[source]]
name = "s1"
[[source]]
name = "s2"
)");
    ConfigTable root = document.root();
    CHECK(root.string("text") == "x");
    CHECK(root.required_string("text") == "x");
    CHECK(root.string("absent", "d") == "d");
    CHECK(root.find_string("text") == "x");
    CHECK_FALSE(root.find_string("absent").has_value());
    CHECK(root.duration("wait", 1s) == 90s);
    CHECK(root.duration("absent", 1s) == 1s);
    CHECK(root.size("room", 1) == 65536);
    CHECK(root.size("bytes", 1) == 4096);
    CHECK(root.boolean("on", false));
    CHECK(root.integer("count", 1, 1, 10) == 7);
    CHECK(root.number("ratio", 0) == 0.5);
    CHECK(root.number("count", 0) == 7.0);
    CHECK(root.strings("list") == std::vector<std::string>{"a", "b"});
    CHECK(root.strings("one") == std::vector<std::string>{"a"});
    CHECK(root.numbers("buckets") == std::vector<double>{1, 2.5});
    CHECK(root.string_map("labels") == std::vector<std::pair<std::string, std::string>>{{"z", "1"}, {"a", "2"}});
    CHECK(root.table("http").string("listen") == ":80");
    CHECK(root.table("http").present());
    CHECK_FALSE(root.table("tls").present());
    CHECK(root.table("tls").table("deep").string("er", "d") == "d");
    REQUIRE(root.tables("source").size() == 2);
    CHECK(root.tables("source")[0].required_string("name") == "s1");
    CHECK(root.tables("source")[1].required_string("name") == "s2");
    CHECK(root.tables("sink").empty());
    CHECK(root.has("text"));
    CHECK(root.kind("list") == ConfigKind::kArray);
    CHECK(root.kind("absent") == ConfigKind::kAbsent);
    CHECK(root.choice("text", "y", {"x", "y"}) == "x");
    CHECK(root.keys().front() == "text");
    CHECK(root.keys().back() == "source");
    CHECK(errors_of(document) == "");
  }

  TEST_CASE("config: all errors are told at once, in the order of the file, with what to do") {
    ConfigDocument document = parsed(R"(data_dir = 5
colour = "blue"
[[source]]
name = ""
sorce = "x"
type = "flie"
batch_wait = 14
batch_bytes = "many"
max = 99
[[source.stage]]
zzz = 1
)");
    ConfigTable root = document.root();
    CHECK(root.required_string("data_dir") == "");
    for (ConfigTable source : root.tables("source")) {
      source.required_string("name");
      source.required_string("url");
      source.string("source");
      source.choice("type", "file", {"file", "journal"});
      CHECK(source.duration("batch_wait", 1s) == 1s);
      CHECK(source.size("batch_bytes", 3) == 3);
      CHECK(source.integer("max", 4, 1, 10) == 4);
      for (ConfigTable stage : source.tables("stage")) stage.string("type"), stage.string("expression");
    }
    CHECK(errors_of(document) ==
          "agent.toml:1:12: \"data_dir\" must be a string, got an integer\n"
          "agent.toml:2:1: unknown key \"colour\"; known are data_dir, source\n"
          "agent.toml:3:1: \"url\" is missing in [[source]]; add url = \"...\"\n"
          "agent.toml:4:8: \"name\" must not be empty\n"
          "agent.toml:5:1: unknown key \"sorce\" in [[source]]; did you mean \"source\"?\n"
          "agent.toml:6:8: \"type\" must be one of file, journal, got \"flie\"; did you mean \"file\"?\n"
          "agent.toml:7:14: \"batch_wait\" must be a duration such as \"1s\", got an integer; write \"14s\" if seconds "
          "are "
          "meant\n"
          "agent.toml:8:15: \"batch_bytes\" must be a size such as \"64KiB\": invalid size \"many\" (as in \"64KiB\", "
          "\"1MB\" or "
          "bare bytes)\n"
          "agent.toml:9:7: \"max\" must be between 1 and 10, got 99\n"
          "agent.toml:11:1: unknown key \"zzz\" in [[source.stage]]; known are expression, type");
  }

  TEST_CASE("config: wrong kinds of every sort are errors and give the default back") {
    ConfigDocument document = parsed(R"(
s = 1979-05-27T07:32:00Z
b = "yes"
i = 1.5
n = "x"
d = "soon"
neg = "-1s"
z = -1
zz = []
l = [1, "a"]
ll = {}
m = { a = 1 }
t = 1
tt = [1]
num = ["x"]
small = 0
big = 5
)");
    ConfigTable root = document.root();
    CHECK(root.string("s", "d") == "d");
    CHECK(root.boolean("b", true));
    CHECK(root.integer("i", 3) == 3);
    CHECK(root.number("n", 3) == 3);
    CHECK(root.duration("d", 3s) == 3s);
    CHECK(root.duration("neg", 3s) == 3s);
    CHECK(root.size("z", 3) == 3);
    CHECK(root.size("zz", 3) == 3);
    CHECK(root.strings("l") == std::vector<std::string>{"a"});
    CHECK(root.strings("ll").empty());
    CHECK(root.string_map("m").empty());
    CHECK_FALSE(root.table("t").present());
    CHECK(root.tables("t").empty());
    CHECK(root.tables("tt").empty());
    CHECK(root.numbers("num").empty());
    CHECK(root.integer("small", 3, 1) == 3);
    CHECK(root.integer("big", 3, std::numeric_limits<int64_t>::min(), 4) == 3);
    std::string errors = errors_of(document);
    for (const char* expected :
         {"agent.toml:2:5: \"s\" must be a string, got a date or time", "\"b\" must be true or false, got a string",
          "\"i\" must be an integer, got a decimal number", "\"n\" must be a number, got a string",
          "\"d\" must be a duration such as \"1s\": invalid duration \"soon\"",
          "\"neg\" must not be negative, got \"-1s\"", "\"z\" must not be negative, got -1",
          "\"zz\" must be a size such as \"64KiB\", got an array",
          "agent.toml:10:6: \"l\" must be a string or an array of strings, got an integer",
          "\"ll\" must be a string or an array of strings, got a table",
          "\"a\" must be a string in [m], got an integer", "\"t\" must be a table, got an integer",
          "\"t\" must be one or more tables ([[t]]), got an integer",
          "\"tt\" must be one or more tables ([[tt]]), got an integer",
          "\"num\" must be an array of numbers, got a string", "\"small\" must be at least 1, got 0",
          "\"big\" must be at most 4, got 5"}) {
      CAPTURE(expected);
      CHECK(errors.find(expected) != std::string::npos);
    }
  }

  TEST_CASE("config: broken toml is told with its place") {
    auto broken = ConfigDocument::parse("a = 1\nb = \n", "agent.toml");
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().code == Errc::kInvalid);
    CHECK(broken.error().message.starts_with("agent.toml:2:"));
    CHECK(ConfigDocument::parse("a = 1\na = 2\n", "x.toml").error().message.starts_with("x.toml:2:"));
    CHECK_FALSE(ConfigDocument::parse("a = \"\xff\"", "x.toml").has_value());
  }

  TEST_CASE("config: a file that cannot be read says why, one that can is read") {
    auto absent = ConfigDocument::load("/nonexistent/agent.toml");
    REQUIRE_FALSE(absent.has_value());
    CHECK(absent.error().code == Errc::kNotFound);
    CHECK(absent.error().message.find("/nonexistent/agent.toml") != std::string::npos);
    auto folder = ConfigDocument::load("/");
    REQUIRE_FALSE(folder.has_value());
    CHECK(folder.error().code == Errc::kIo);

    std::string path = "/tmp/config_test_XXXXXX";
    int fd = mkstemp(path.data());
    REQUIRE(write(fd, "a = \"b\"\n", 8) == 8);
    close(fd);
    auto document = ConfigDocument::load(path);
    std::remove(path.c_str());
    REQUIRE(document.has_value());
    CHECK(document->root().string("a") == "b");
    CHECK(document->name() == path);
  }

  TEST_CASE("config: environment variables are replaced in values after parsing, and cannot inject toml") {
    ConfigDocument document = parsed(R"(
node = "${NODE_NAME}"
both = "a${A}b${A}c"
otherwise = "${ABSENT:-fallback}"
empty_otherwise = "${ABSENT:-}"
blank = "${BLANK:-full}"
blank_kept = "${BLANK}"
evil = "${EVIL}"
group = "${1} $2 ${} ${a-b} $"
literal = "$${NODE_NAME}"
list = ["${A}"]
map = { "${A}" = "${A}" }
open = "${A"
)",
                                     {{"NODE_NAME", "n1"}, {"A", "x"}, {"BLANK", ""}, {"EVIL", "\"\nnode = 5"}});
    ConfigTable root = document.root();
    CHECK(root.string("node") == "n1");
    CHECK(root.string("both") == "axbxc");
    CHECK(root.string("otherwise") == "fallback");
    CHECK(root.string("empty_otherwise", "unused") == "");
    CHECK(root.string("blank") == "full");
    CHECK(root.string("blank_kept") == "");
    CHECK(root.string("evil") == "\"\nnode = 5");
    CHECK(root.string("group") == "${1} $2 ${} ${a-b} $");
    CHECK(root.string("literal") == "${NODE_NAME}");
    CHECK(root.strings("list") == std::vector<std::string>{"x"});
    CHECK(root.string_map("map") == std::vector<std::pair<std::string, std::string>>{{"${A}", "x"}});
    CHECK(root.string("open") == "${A");
    CHECK(errors_of(document) == "");
  }

  TEST_CASE("config: expressions and templates of stages and relabel rules are taken as written") {
    ConfigDocument document = parsed(R"(
[[source]]
path = "${A}"
[[source.relabel]]
regex = "(?P<A>x)${A}"
replacement = "$${1}${A}${ABSENT}"
target_label = "${A}"
separator = "${A}"
[[source.stage]]
template = "${ABSENT} $${1}"
expressions = { A = "${A}" }
values = { regex = "${A}", b = "$${A}" }
[[source.stage.stage]]
regex = "${A:-"
source = "${A}"
)",
                                     {{"A", "x"}});
    ConfigTable source = document.root().tables("source").at(0);
    CHECK(source.string("path") == "x");
    ConfigTable relabel = source.tables("relabel").at(0);
    CHECK(relabel.string("regex") == "(?P<A>x)${A}");
    CHECK(relabel.string("replacement") == "$${1}${A}${ABSENT}");
    CHECK(relabel.string("target_label") == "${A}");
    CHECK(relabel.string("separator") == "x");
    ConfigTable stage = source.tables("stage").at(0);
    CHECK(stage.string("template") == "${ABSENT} $${1}");
    CHECK(stage.string_map("expressions") == std::vector<std::pair<std::string, std::string>>{{"A", "${A}"}});
    CHECK(stage.string_map("values") ==
          std::vector<std::pair<std::string, std::string>>{{"regex", "x"}, {"b", "${A}"}});
    ConfigTable nested = stage.tables("stage").at(0);
    CHECK(nested.string("regex") == "${A:-");
    CHECK(nested.string("source") == "x");
    CHECK(errors_of(document) == "");
  }

  TEST_CASE("config: a variable that is not set and has no default is an error that names it") {
    ConfigDocument document = parsed("a = \"x ${ABSENT} y\"\nb = \"${OPEN:-z\"\n");
    document.root().string("a"), document.root().string("b");
    CHECK(errors_of(document) ==
          "agent.toml:1:5: environment variable ABSENT is not set; set it, or give a default as in ${ABSENT:-default}\n"
          "agent.toml:2:5: ${OPEN:- has no closing }; write $${ for a literal ${");
  }

  TEST_CASE("config: a value can be had as it stands in the file, with those inside") {
    auto document = *ConfigDocument::parse("a = [\"x\", [1, 2.5]]\nb = {k = true, \"l m\" = {}}\nc = 2024-05-06", "t");
    ConfigTable root = document.root();
    CHECK(root.value("a").kind == ConfigKind::kArray);
    CHECK(root.value("a").text == "[\"x\", [1, 2.5]]");
    CHECK(root.value("b").text == "{\"k\" = true, \"l m\" = {}}");
    CHECK(root.value("c").kind == ConfigKind::kTime);
    CHECK(root.value("nope").kind == ConfigKind::kAbsent);
    REQUIRE(root.elements("b").size() == 2);
    CHECK(root.elements("b")[0].text == "true");
    CHECK(root.elements("c").empty());
  }

  TEST_CASE("config: a table may have its own words for unknown keys") {
    auto document = *ConfigDocument::parse("[a]\nzz = 1", "t");
    ConfigTable a = document.root().table("a");
    a.name_unknown_keys("unrecognized attribute name");
    a.has("zy");
    CHECK(document.finish().error().message == "t:2:1: unrecognized attribute name \"zz\"; did you mean \"zy\"?");
  }

  TEST_CASE("config: unknown keys count only in tables somebody asked about, and not where the rest is ignored") {
    ConfigDocument document = parsed("[a]\nx = 1\n[b]\ny = 1\nz = 2\n[c]\nd = { e = 1 }\n");
    ConfigTable root = document.root();
    root.table("b").integer("y", 0);
    root.table("c").ignore_rest();
    CHECK(errors_of(document) ==
          "agent.toml:1:2: unknown key \"a\"; known are b, c\n"
          "agent.toml:5:1: unknown key \"z\" in [b]; known are y");
  }

  TEST_CASE("config: callers add their own errors at a key, and the same error is told once") {
    ConfigDocument document = parsed("[[sink]]\nurl = \"nonsense\"\n");
    ConfigTable sink = document.root().tables("sink")[0];
    sink.string("url");
    sink.error_at("url", "\"url\" is no URL", "begin it with http://");
    sink.error_at("url", "\"url\" is no URL", "begin it with http://");
    sink.error_at("absent", "this sink is odd");
    CHECK(sink.title() == "[[sink]]");
    CHECK(errors_of(document) ==
          "agent.toml:1:1: this sink is odd\n"
          "agent.toml:2:7: \"url\" is no URL; begin it with http://");
  }

  TEST_CASE("config: handles stay good when their document is moved") {
    ConfigDocument first = parsed("a = 1\n");
    ConfigTable root = first.root();
    ConfigDocument second = std::move(first);
    CHECK(root.integer("a", 0) == 1);
    CHECK(errors_of(second) == "");
  }
}
