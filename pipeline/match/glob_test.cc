#include "pipeline/match/glob.h"

#include <doctest/doctest.h>
#include <random>

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {
Glob glob(std::string_view pattern) {
  auto compiled = Glob::compile(pattern);
  REQUIRE_MESSAGE(compiled.has_value(), pattern);
  return *compiled;
}
bool matches(std::string_view pattern, std::string_view path) { return glob(pattern).matches(path); }

// The obvious way: every choice tried, one byte at a time. Patterns of letters, /, * and ** components only.
bool slow_matches(std::string_view pattern, std::string_view path, bool at_component_start = true) {
  if (pattern.empty()) return path.empty();
  bool any_folders = at_component_start && (pattern == "**" || pattern.starts_with("**/"));
  if (any_folders) {
    if (pattern == "**") return true;
    for (std::string_view rest = path;;) {
      if (slow_matches(pattern.substr(3), rest)) return true;
      size_t slash = rest.find('/');
      if (slash == rest.npos) return false;
      rest.remove_prefix(slash + 1);
    }
  }
  if (pattern[0] == '*') {
    if (slow_matches(pattern.substr(1), path, false)) return true;
    return !path.empty() && path[0] != '/' && slow_matches(pattern, path.substr(1), false);
  }
  if (path.empty()) return pattern.starts_with("/**") && slow_matches(pattern.substr(3), path);
  return pattern[0] == path[0] && slow_matches(pattern.substr(1), path.substr(1), pattern[0] == '/');
}
}  // namespace

TEST_CASE("glob: stars, classes, alternatives and escapes") {
  CHECK(matches("/var/log/*.log", "/var/log/.hidden.log"));
  CHECK_FALSE(matches("/var/log/*.log", "/var/log/a/b.log"));
  CHECK(matches("/var/log/**/*.log", "/var/log/b.log"));
  CHECK(matches("/var/log/**/*.log", "/var/log/x/y/b.log"));
  CHECK_FALSE(matches("/var/log/a**.log", "/var/log/a/b.log"));
  CHECK(matches("/z[0-9]?[^a]{x,y{1,2}}", "/z5éby2"));
  CHECK(matches("/{a/b,c}/d", "/a/b/d"));
  CHECK(matches("/a\\*", "/a*"));
  CHECK(matches("/[[]x]", "/[x]"));
  CHECK(matches("/]", "/]"));
  CHECK_FALSE(matches("/[z-a]", "/m"));
  CHECK(matches("/a//b/../c/./d/", "/a/c/d"));
  CHECK(matches("/[a-]", "/-"));
}

TEST_CASE("glob: a ** at the end names what is in folders, not the file before it") {
  CHECK(matches("/var/log/*/**", "/var/log/app/a.log"));
  CHECK(matches("/var/log/*/**", "/var/log/app/x/y/a.log"));
  CHECK_FALSE(matches("/var/log/*/**", "/var/log/syslog"));
  CHECK_FALSE(matches("/var/log/syslog/**", "/var/log/syslog"));
  CHECK_FALSE(matches("/var/log/*.log/**/**", "/var/log/a.log"));
  CHECK(matches("/var/log/{syslog,app/**}", "/var/log/syslog"));
  CHECK(matches("/**/**", "/a.log"));
  CHECK(glob("/var/log/app/**").fits("/var/log/app"));  // as an exclusion
  CHECK_FALSE(glob("/var/log/app/**").fits("/var/log/apps"));
}

TEST_CASE("glob: refuses broken patterns") {
  for (std::string_view pattern : {"/a[", "/a[]1]", "/a[b", "/a\\", "/{a", "/a}", "/[a-"}) {
    auto compiled = Glob::compile(pattern);
    REQUIRE_MESSAGE(!compiled.has_value(), pattern);
    CHECK(compiled.error().message.starts_with("syntax error in pattern"));
  }
  std::string many = "/";
  for (int i = 0; i < 13; ++i) many += "{a,b}";
  CHECK_FALSE(Glob::compile(many).has_value());
}

TEST_CASE("glob: says where to walk") {
  CHECK(glob("/var/log/*/a.log").folder() == "/var/log");
  CHECK(glob("/var/{log,lib}/x.log").folder() == "/var");
  CHECK(glob("/*.log").folder() == "/");
  CHECK(glob("a.log").folder() == ".");
  CHECK(glob("/var/log/a.log").is_literal());
  CHECK_FALSE(glob("/var/log/?").is_literal());
  CHECK(glob("/var/\\*x/a.log").folder() == "/var/*x");
  Glob walk = glob("/var/log/pods/*/app/*.log");
  CHECK(walk.may_match_below("/var/log/pods"));
  CHECK(walk.may_match_below("/var/log/pods/x/app"));
  CHECK_FALSE(walk.may_match_below("/var/log/pods/x/app/deeper"));
  CHECK_FALSE(walk.may_match_below("/var/log/pods/x/side"));
  CHECK(glob("/a/**/b").may_match_below("/a/x/y/z"));
  CHECK(glob("/a/b").may_match_below("/"));
}

TEST_CASE("glob: agrees with trying everything, on random patterns and paths") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  constexpr std::string_view kPatternWords[] = {"a", "b", "*", "**", "ab", "*a", "a*", "*a*"};
  constexpr std::string_view kPathWords[] = {"a", "b", "ab", "ba", "aba"};
  for (int round = 0; round < 50000; ++round) {
    std::string pattern, path;
    for (size_t n = random() % 5 + 1; n > 0; --n)
      pattern += concat("/", kPatternWords[random() % std::size(kPatternWords)]);
    for (size_t n = random() % 5 + 1; n > 0; --n) path += concat("/", kPathWords[random() % std::size(kPathWords)]);
    INFO("pattern ", pattern, " path ", path);
    REQUIRE(glob(pattern).fits(path) == slow_matches(pattern, path));
    if (!pattern.ends_with("**")) REQUIRE(glob(pattern).matches(path) == slow_matches(pattern, path));
  }
}

TEST_SUITE_END();
