#include "pipeline/match/relabel.h"

#include <doctest/doctest.h>

#include "pipeline/match/relabel_config.h"

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {
const LabelSet kLabels =
    LabelSet::from({{"__address__", "10.0.0.1:80"}, {"app", "web"}, {"env", "prod"}, {"v", "foo-bar"}});

// The outcome as text; "dropped", or "error: ...".
std::string apply(const std::vector<RelabelConfig>& configs, const LabelSet& labels = kLabels) {
  std::vector<RelabelRule> rules;
  for (const RelabelConfig& config : configs) {
    auto rule = RelabelRule::compile(config);
    if (!rule) return concat("error: ", rule.error().message);
    rules.push_back(*std::move(rule));
  }
  auto out = RelabelRules(std::move(rules)).apply(labels);
  return out ? strip_reserved(*out).text() : "dropped";
}
}  // namespace

TEST_CASE("relabel: every action") {
  struct Case {
    RelabelConfig config;
    std::string expect;
  };
  const std::string kSame = R"({app="web", env="prod", v="foo-bar"})";
  const Case cases[] = {
      {{.source_labels = {"app", "env"}, .target_label = "x"}, R"({app="web", env="prod", v="foo-bar", x="web;prod"})"},
      {{.source_labels = {"v"}, .regex = "(\\w+)-(\\w+)", .target_label = "x", .replacement = "$2_${1}_y"},
       R"({app="web", env="prod", v="foo-bar"})"},  // group 2_ does not exist
      {{.source_labels = {"v"}, .regex = "(\\w+)-(\\w+)", .target_label = "$1", .replacement = "${2}"},
       R"({app="web", env="prod", foo="bar", v="foo-bar"})"},
      {{.source_labels = {"app"}, .regex = "w", .target_label = "x"}, kSame},
      {{.target_label = "x", .replacement = "const"}, R"({app="web", env="prod", v="foo-bar", x="const"})"},
      {{.source_labels = {"missing"}, .target_label = "app"}, R"({env="prod", v="foo-bar"})"},
      {{.source_labels = {"app"}, .regex = "web", .action = "keep"}, kSame},
      {{.source_labels = {"app"}, .regex = "we", .action = "keep"}, "dropped"},
      {{.source_labels = {"app"}, .regex = "we.", .action = "drop"}, "dropped"},
      {{.source_labels = {"app"}, .target_label = "env", .action = "keepequal"}, "dropped"},
      {{.source_labels = {"app"}, .target_label = "env", .action = "dropequal"}, kSame},
      {{.source_labels = {"app"}, .modulus = 10, .target_label = "x", .action = "hashmod"},
       R"({app="web", env="prod", v="foo-bar", x="9"})"},
      {{.regex = "(a)(.*)", .replacement = "m_$2", .action = "labelmap"},
       R"({app="web", env="prod", m_pp="web", v="foo-bar"})"},
      {{.regex = "a.*", .action = "labeldrop"}, R"({env="prod", v="foo-bar"})"},
      {{.regex = "a.*", .action = "labelkeep"}, R"({app="web"})"},
      {{.source_labels = {"v"}, .target_label = "v", .action = "uppercase"}, R"({app="web", env="prod", v="FOO-BAR"})"},
  };
  for (const Case& c : cases) {
    INFO(c.config.action, " ", c.config.regex);
    if (c.config.replacement == "$2_${1}_y") {
      CHECK(apply({c.config}) == R"({app="web", env="prod", v="foo-bar", x="foo_y"})");
    } else {
      CHECK(apply({c.config}) == c.expect);
    }
  }
}

TEST_CASE("relabel: case folding knows Unicode, and bad bytes become U+FFFD") {
  LabelSet labels = LabelSet::from({{"v", "ÄöÉ\xff"}});
  CHECK(apply({{.source_labels = {"v"}, .target_label = "v", .action = "lowercase"}}, labels) ==
        "{v=\"äöé\xef\xbf\xbd\"}");
}

TEST_CASE("relabel: rules see what earlier ones did, and a drop ends it") {
  CHECK(apply({{.target_label = "tmp", .replacement = "1"},
               {.source_labels = {"tmp"}, .regex = "1", .action = "drop"},
               {.target_label = "never", .replacement = "x"}}) == "dropped");
}

TEST_CASE("relabel: refuses with Prometheus' words") {
  CHECK(apply({{.target_label = "x", .action = "nope"}}) == R"(error: "nope" unrecognized action type "nope")");
  CHECK(apply({{}}) == "error: relabel configuration for replace action requires 'target_label' value");
  CHECK(apply({{.target_label = "x", .action = "hashmod"}}) ==
        "error: relabel configuration for hashmod requires non-zero modulus");
  CHECK(apply({{.target_label = "1a"}}) == "error: \"1a\" is invalid 'target_label' for replace action");
  CHECK(apply({{.target_label = "x", .replacement = "y", .action = "lowercase"}}) ==
        "error: 'replacement' can not be set for lowercase action");
  CHECK(apply({{.regex = "(", .target_label = "x"}}) == "error: error parsing regexp: missing closing ): `(`");
  CHECK(apply({{.replacement = "a-b", .action = "labelmap"}}) ==
        "error: \"a-b\" is invalid 'replacement' for labelmap action");
  CHECK(apply({{.source_labels = {"a"}, .regex = "x", .action = "labeldrop"}}) ==
        "error: labeldrop action requires only 'regex', and no other fields");
}

TEST_CASE("relabel: rules from a file, faults with their place") {
  auto document = *ConfigDocument::parse(R"(
[[relabel]]
source_labels = ["app"]
target_label = "x"
[[relabel]]
source_labels = "app"
action = "nope"
)",
                                         "t.toml");
  read_relabel_rules(document.root(), "relabel");
  auto finished = document.finish();
  REQUIRE_FALSE(finished.has_value());
  CHECK(finished.error().message.find("t.toml:5:1: \"nope\" unrecognized action type") != std::string::npos);
  CHECK(finished.error().message.find(
            "t.toml:6:17: source_labels: \"app\" should be array, got string; write it in brackets: [\"app\"]") !=
        std::string::npos);
}

TEST_SUITE_END();
