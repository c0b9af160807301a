#include "pipeline/match/path_matcher.h"

#include <array>
#include <doctest/doctest.h>
#include <random>
#include <re2/re2.h>
#include <string>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/match/random_expressions.h"
#include "pipeline/match/regex.h"

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {

using Verdict = PathMatcher::Verdict;
using Groups = std::vector<std::string_view>;

PathMatcher path_of(std::string_view pattern) {
  auto path = PathMatcher::compile(pattern, false);
  REQUIRE_MESSAGE(path.has_value(), pattern);
  return *std::move(path);
}

bool is_refused(std::string_view pattern) { return !PathMatcher::compile(pattern, false).has_value(); }

// The groups of the first match, "" where there is none, "!" where the matcher gives up; a group without part is "-".
std::string found(std::string_view pattern, std::string_view text, size_t count) {
  Groups groups(count);
  Verdict verdict = path_of(pattern).find(text, groups);
  if (verdict == Verdict::kGaveUp) return "!";
  std::string out;
  for (std::string_view group : groups) {
    out += concat(out.empty() ? "" : " ", "[", group.data() == nullptr ? "-" : group, "]");
  }
  return verdict == Verdict::kYes ? out : "";
}

bool same(std::string_view group, const re2::StringPiece& other) {
  return group.data() == other.data() && group.size() == other.size();
}

struct Tally {
  size_t expressions = 0, taken = 0, texts = 0, given_up = 0, matched = 0;
};

// What the door answers, whichever of the two it asks.
void compare_door(const Regex& regex, const std::vector<re2::StringPiece>& expected, bool matches,
                  std::string_view text, size_t from, bool full) {
  Groups groups(expected.size());
  REQUIRE((full ? regex.full_find(text, groups) : regex.find(text, groups, from)) == matches);
  for (size_t g = 0; matches && g < groups.size(); ++g) REQUIRE(same(groups[g], expected[g]));
}

void compare(const Regex& regex, const PathMatcher& path, const RE2& re2, std::string_view text, size_t from, bool full,
             Tally& tally) {
  auto count = static_cast<size_t>(re2.NumberOfCapturingGroups()) + 1;
  Groups groups(count);
  std::vector<re2::StringPiece> expected(count);
  Verdict verdict = full ? path.full_find(text, groups) : path.find(text, groups, from);
  Verdict without = full ? path.full_find(text, {}) : path.find(text, {}, from);
  ++tally.texts;
  if (verdict == Verdict::kGaveUp) ++tally.given_up;
  bool matches = re2.Match(re2::StringPiece(text.data(), text.size()), from, text.size(),
                           full ? RE2::ANCHOR_BOTH : RE2::UNANCHORED, expected.data(), static_cast<int>(count));
  compare_door(regex, expected, matches, text, from, full);
  if (without != Verdict::kGaveUp) REQUIRE(matches == (without == Verdict::kYes));
  if (verdict == Verdict::kGaveUp) return;
  REQUIRE(matches == (verdict == Verdict::kYes));
  if (!matches) return;
  ++tally.matched;
  for (size_t g = 0; g < count; ++g) {
    INFO("group ", g, ": ", std::string(groups[g]), " is not ", expected[g].as_string());
    REQUIRE(same(groups[g], expected[g]));
  }
}

// As many expressions as told, each on some texts.
Tally compare_with_re2(unsigned seed, size_t rounds) {
  std::mt19937 random(seed);
  RandomExpressions make(random);
  RE2::Options options;
  options.set_log_errors(false);
  Tally tally;
  for (size_t round = 0; round < rounds; ++round) {
    std::string pattern = make.expression();
    RE2 re2(pattern, options);
    if (!re2.ok()) continue;
    ++tally.expressions;
    auto path = PathMatcher::compile(pattern, false);
    if (!path) continue;
    ++tally.taken;
    Regex regex = *Regex::compile(pattern);
    for (int k = 0; k < 12; ++k) {
      std::string text = make.text();
      INFO("seed ", seed, " pattern ", pattern, " text ", text);
      bool full = k % 4 == 3;
      size_t from = full || k % 3 != 0 || text.empty() ? 0 : random() % text.size();
      while ((static_cast<uint8_t>(text[from]) & 0xc0) == 0x80) --from;  // between characters
      compare(regex, *path, re2, text, from, full, tally);
    }
  }
  return tally;
}

}  // namespace

TEST_CASE("path matcher: takes an access log line apart") {
  constexpr std::string_view kPattern =
      R"re(^(?P<ip>\S+) (\S+) (\S+) \[([^\]]+)\] "(\S+) (\S+) ([^"]+)" (\d+) (\d+) "([^"]*)" "([^"]*)"$)re";
  constexpr std::string_view kLine =
      R"re(10.1.2.3 - bob [21/Nov/2026:13:32:36 +0000] "GET /a/b?c=d HTTP/1.1" 200 5120 "https://e.x/" "curl/7.88 (x)")re";
  CHECK(found(kPattern, kLine, 12) ==
        concat("[", kLine,
               "] [10.1.2.3] [-] [bob] [21/Nov/2026:13:32:36 +0000] [GET] [/a/b?c=d] [HTTP/1.1] [200] "
               "[5120] [https://e.x/] [curl/7.88 (x)]"));
  CHECK(found(kPattern, kLine.substr(0, 60), 12) == "");
}

TEST_CASE("path matcher: comes back where what follows could have begun inside a run") {
  CHECK(found("(.*)-(.*)", "a-b-c", 3) == "[a-b-c] [a-b] [c]");
  CHECK(found("(.*?)-(.*)", "a-b-c", 3) == "[a-b-c] [a] [b-c]");
  CHECK(found("\"(\\S+)\"", "x \"a\"b\" y", 2) == "[\"a\"b\"] [a\"b]");
  CHECK(found("(a|ab)(c|bcd)?$", "abcd", 3) == "[abcd] [a] [bcd]");
  CHECK(found("(?:(a)b|ac)", "ac", 2) == "[ac] [-]");
  CHECK(found("(?:(a)|b)*", "ab", 2) == "[ab] [a]");
  CHECK(found("x*", "ab", 1) == "[]");
}

TEST_CASE("path matcher: gives up where the work is too much, and where a class cannot judge a character") {
  std::string many_a(200, 'a');
  CHECK(found("(?:a+)+b", many_a, 1) == "!");
  CHECK(found("(?:a|aa)+$", many_a + "b", 1) == "!");
  CHECK(found("[\xc3\xa0-\xc3\xb0]", "a\xc3\xa9", 1) == "!");
  CHECK(found("(?i)k", "a\xe2\x84\xaa", 1) == "!");
  CHECK(found("(?i)k", "aK", 1) == "[K]");
}

TEST_CASE("path matcher: leaves to RE2 what it does not read") {
  CHECK(is_refused("\\pL"));
  CHECK(is_refused("(?U)a*"));
  CHECK(is_refused("(?:a*)*"));
  CHECK(is_refused("a|(?i:a)"));
  CHECK(is_refused("(?i)\xc3\xa9"));
  CHECK(is_refused("\\C"));
  CHECK(is_refused("\\B"));
  CHECK(is_refused("(?:[ab]c){600}"));
  CHECK(is_refused("\\Qab\\E*"));
}

TEST_CASE("path matcher: never reads outside the text") {
  PathMatcher path = path_of("([^x]+)x(\\d*)");
  for (size_t size = 0; size < 70; ++size) {
    std::vector<char> text(size, 'a');  // exactly as large, for the address sanitizer
    Groups groups(3);
    CHECK(path.find({text.data(), size}, groups) == Verdict::kNo);
    if (size < 2) continue;
    text[size - 1] = 'x';
    CHECK(path.find({text.data(), size}, groups) == Verdict::kYes);
    CHECK(groups[1].size() == size - 1);
  }
}

TEST_CASE("path matcher: finds what RE2 finds, on random expressions and texts") {
  unsigned seed = std::random_device()();
  MESSAGE("seed ", seed);
  const char* rounds = std::getenv("MATCH_TEST_ROUNDS");  // for a long run by hand
  Tally tally = compare_with_re2(seed, rounds == nullptr ? 4000 : std::strtoul(rounds, nullptr, 10));
  MESSAGE(tally.expressions, " expressions, ", tally.taken, " taken; ", tally.texts, " texts, ", tally.matched,
          " matched, ", tally.given_up, " given up");
  CHECK(tally.taken * 3 > tally.expressions);
  CHECK(tally.matched * 10 > tally.texts);
  CHECK(tally.given_up * 10 < tally.texts);
}

TEST_SUITE_END();
