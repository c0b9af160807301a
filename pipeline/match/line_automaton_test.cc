#include "pipeline/match/line_automaton.h"

#include <doctest/doctest.h>
#include <random>
#include <string>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/match/line_filter.h"
#include "pipeline/match/random_expressions.h"
#include "pipeline/match/regex.h"

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {

using Verdict = LineAutomaton::Verdict;

struct Lines {
  std::string text;
  std::vector<uint32_t> ends;
  void add(std::string_view line) {
    text += line;
    ends.push_back(static_cast<uint32_t>(text.size()));
  }
  std::string_view line(size_t row) const {
    const size_t begin = row == 0 ? 0 : ends[row - 1];
    return std::string_view(text).substr(begin, ends[row] - begin);
  }
};

LineAutomaton automaton_of(std::string_view pattern) {
  auto made = LineAutomaton::compile(pattern);
  REQUIRE_MESSAGE(made.has_value(), pattern);
  return *std::move(made);
}

bool is_refused(std::string_view pattern) { return !LineAutomaton::compile(pattern).has_value(); }

// A letter for each line: y, n, ? (unsure).
std::string verdicts(std::string_view pattern, std::initializer_list<std::string_view> texts) {
  Lines lines;
  for (std::string_view text : texts) lines.add(text);
  std::vector<Verdict> found;
  automaton_of(pattern).judge(lines.text, lines.ends, 0, found);
  std::string out;
  for (Verdict verdict : found) out += "ny?"[static_cast<size_t>(verdict)];
  return out;
}

}  // namespace

TEST_CASE("line automaton: finds an expression in some of many lines, and never over the end of one") {
  CHECK(verdicts("(\\d{1,3}[.:]){3}\\d{1,3}", {"a 10.0.0.1 b", "10.0.0", ".1", "", "1:2:3:4", "1.2.3."}) == "ynnnyn");
  CHECK(verdicts("ab", {"a", "b", "ab", "xxab", "ba"}) == "nnyyn");
  CHECK(verdicts("^a|b$", {"a", "xa", "b", "bx", "xb", ""}) == "ynynyn");
  CHECK(verdicts("^$", {"", "a", ""}) == "yny");
  CHECK(verdicts("a*", {"", "b"}) == "yy");
  CHECK(verdicts("(?:a*)*b", {"aab", "aa", "c"}) == "ynn");
  CHECK(verdicts("a.b", {"axb", "a\nb", "ab"}) == "ynn");
  CHECK(verdicts("x", {}) == "");
}

TEST_CASE("line automaton: leaves characters beyond ASCII to RE2 where they may matter") {
  CHECK(verdicts("\\d{2}", {"\xc3\xa9 12", "\xff",
                            "1\xc3\xa9"
                            "2"}) == "ynn");
  CHECK(verdicts("a.b", {"a\xc3\xa9"
                         "b",
                         "axb\xc3\xa9", "c"}) == "?yn");
}

TEST_CASE("line automaton: refuses what it cannot say, and what would be too large") {
  CHECK(is_refused("\\bfoo\\b"));
  CHECK(is_refused("(?m)^a"));
  CHECK(is_refused("\\pL"));
  CHECK(is_refused("(?:a|b).{12}x"));
  CHECK(is_refused("(?:[ab]c){600}"));
  CHECK(is_refused("((a{100}){100}){100}"));
}

TEST_CASE("line automaton: says of random lines and expressions what RE2 says") {
  unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  RandomExpressions make(random);
  size_t taken = 0, matched = 0, unsure = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string pattern = make.expression();
    auto regex = Regex::compile(pattern);
    auto automaton = LineAutomaton::compile(pattern);
    if (!regex || !automaton) continue;
    ++taken;
    Lines lines;
    for (size_t n = random() % 12; n > 0; --n) lines.add(make.text());
    const auto begin = static_cast<uint32_t>(lines.ends.empty() ? 0 : random() % (lines.ends[0] + 1));
    std::vector<Verdict> found;
    automaton->judge(lines.text, lines.ends, begin, found);
    REQUIRE(found.size() == lines.ends.size());
    for (size_t row = 0; row < found.size(); ++row) {
      if (found[row] == Verdict::kUnsure) {
        ++unsure;
        continue;
      }
      const std::string_view line = row == 0 ? lines.line(0).substr(begin) : lines.line(row);
      INFO("seed ", seed, " pattern ", pattern, " line ", line);
      REQUIRE((found[row] == Verdict::kYes) == regex->partial_match(line));
      matched += found[row] == Verdict::kYes;
    }
  }
  CHECK(taken > 500);
  CHECK(matched > 500);
  CHECK(unsure > 100);
}

TEST_CASE("line filters: an expression without a literal selects what it keeps line by line") {
  for (auto op : {LineFilterOp::kMatches, LineFilterOp::kNotMatches}) {
    std::vector<LineFilter> made;
    made.push_back(*LineFilter::create(LineFilterOp::kNotContains, "no"));
    made.push_back(*LineFilter::create(op, "[0-9]{3}[. ]"));
    REQUIRE(made[1].automaton() != nullptr);
    const LineFilters filters(std::move(made));
    Lines lines;
    for (std::string_view text : {"a 123 b", "no 123 b", "", "12", "345\xc3\xa9", "678.", "901 \xc3\xa9"})
      lines.add(text);
    std::vector<uint32_t> rows, expected;
    filters.select(lines.text, lines.ends, rows);
    for (uint32_t row = 0; row < lines.ends.size(); ++row)
      if (filters.keeps(lines.line(row))) expected.push_back(row);
    CHECK(rows == expected);
  }
}

TEST_SUITE_END();
