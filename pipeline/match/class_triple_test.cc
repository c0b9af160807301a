#include "pipeline/match/class_triple.h"

#include <doctest/doctest.h>
#include <random>
#include <string>

#include "pipeline/match/random_expressions.h"
#include "pipeline/match/regex.h"
#include "pipeline/match/regex_tree.h"

using namespace pipeline;

namespace {

std::optional<ClassTriple> triple_of(std::string_view pattern) {
  auto tree = read_regex(pattern, false);
  if (!tree) return std::nullopt;
  auto steps = RegexSteps::of(*tree);
  if (!steps) return std::nullopt;
  return ClassTriple::of(*steps);
}

bool passes(const ClassTriple& triple, std::string_view line) { return triple.is_in(line, 0, line.size()); }

}  // namespace

TEST_SUITE("match") {
  TEST_CASE("class triple: an address has three dots between digits, a time of day two colons") {
    const auto address = triple_of("(\\d{1,3}[.:]){3}\\d{1,3}");
    REQUIRE(address.has_value());
    CHECK(address->times() == 3);
    CHECK(passes(*address, "Nov 21 10:04:05 accepted 10.1.2.3 on port 22 of a host with a rather long name, at last"));
    CHECK_FALSE(
        passes(*address, "Nov 21 10:04:05 accepted nobody on port 22 of a host with a rather long name, at last"));
    CHECK_FALSE(
        passes(*address, R"({"at":1763719445,"status":200,"took":17,"user":5173,"path":"/api/v1/items/4711"})"));
    CHECK(passes(*address, "1.2.3.4"));
    CHECK_FALSE(passes(*address, "1.2.3."));
    CHECK_FALSE(passes(*address, ""));
  }

  TEST_CASE("class triple: neighbours of other lines do not count") {
    const auto time = triple_of("\\d[.:]\\d");
    REQUIRE(time.has_value());
    const std::string text = "1.2" + std::string(100, 'x') + "3.4";
    CHECK(time->is_in(text, 0, 3));
    CHECK(time->is_in(text, 0, 100));
    CHECK(time->is_in(text, 50, text.size()));
    CHECK_FALSE(time->is_in(text, 1, 4));
    CHECK_FALSE(time->is_in(text, 0, 2));
    CHECK_FALSE(time->is_in(text, 2, text.size() - 1));
  }

  TEST_CASE("class triple: nothing is said where it would say little, or where a way leads around everything") {
    CHECK_FALSE(triple_of("[a-z]+ [a-z]+").has_value());
    CHECK_FALSE(triple_of("(\\d:\\d)?").has_value());
    CHECK_FALSE(triple_of("\\d\\d\\d").has_value());
    CHECK(triple_of("^\\d+:\\d+$").has_value());
    CHECK(triple_of("\\d:\\d|[0-9]\\.\\d").has_value() == false);
  }

  TEST_CASE("class triple: never passes by a line that matches") {
    const unsigned seed = std::random_device()();
    std::mt19937 random(seed);
    RandomExpressions make(random);
    size_t taken = 0, matched = 0, refused = 0;
    auto compare = [&](const std::string& pattern, const std::string& before, const std::string& line) {
      const auto triple = triple_of(pattern);
      const auto regex = Regex::compile(pattern);
      if (!triple || !regex) return;
      ++taken;
      const std::string text = before + line + before;
      const bool passed = triple->is_in(text, before.size(), before.size() + line.size());
      refused += !passed;
      if (!regex->partial_match(line)) return;
      ++matched;
      INFO("seed ", seed, " pattern ", pattern, " line ", line);
      REQUIRE(passed);
    };
    for (int round = 0; round < 20'000; ++round) {
      const std::string pattern = make.expression();
      compare(pattern, make.text(), make.text() + make.text() + make.text());
    }
    // Long lines, where whole vectors are read.
    const std::string patterns[] = {"\\d[.:]\\d{2}[.:]\\d", "x\\d+[-_]?y", "(?:[0-9]{2}[/-]){2}[0-9]{4}",
                                    "[[:upper:]]{2}[=:].",  "\\d:\\S\\d",  "[^a-z ]:[^b]$"};
    for (int round = 0; round < 20'000; ++round) {
      std::string line;
      for (size_t n = random() % 120; n > 0; --n) line += "0123456789:.-_/xyAB= \xc3\xa9"[random() % 24];
      compare(patterns[random() % std::size(patterns)], std::string(random() % 40, '7'), line);
    }
    CHECK(taken > 10'000);
    CHECK(matched > 1000);
    CHECK(refused > 1000);
  }
}
