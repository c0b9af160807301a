#include "pipeline/match/line_filter.h"

#include <doctest/doctest.h>
#include <random>

TEST_SUITE_BEGIN("match");

using namespace pipeline;

namespace {
LineFilter filter(LineFilterOp op, std::string text) {
  auto made = LineFilter::create(op, std::move(text));
  REQUIRE(made.has_value());
  return *made;
}
bool keeps(LineFilterOp op, std::string text, std::string_view line) { return filter(op, std::move(text)).keeps(line); }
using enum LineFilterOp;

bool mentions(std::string pattern, std::string_view line) {
  auto made = LineFilter::create(kContains, {{std::move(pattern), true}});
  REQUIRE(made.has_value());
  return made->keeps(line);
}
}  // namespace

TEST_CASE("line filter: contains and matches, with their negations") {
  CHECK(keeps(kContains, "err", "an error"));
  CHECK_FALSE(keeps(kContains, "Err", "an error"));
  CHECK(keeps(kContains, "", "x"));
  CHECK_FALSE(keeps(kNotContains, "", "x"));
  CHECK(keeps(kNotContains, "y", "x"));
  CHECK(keeps(kMatches, "e.r", "an error"));
  CHECK_FALSE(keeps(kMatches, "a.b", "a\nb"));
  CHECK(keeps(kMatches, "(?i)ERROR", "an eRRor"));
  CHECK(keeps(kMatches, "(?i)ΩΜΈΓΑ", "ωμέγα"));
  CHECK_FALSE(keeps(kNotMatches, ".*", "x"));
  CHECK(keeps(kMatches, ".+", "x"));
  CHECK_FALSE(keeps(kMatches, ".+", ""));
}

TEST_CASE("line filter: or chains; negative ones want none of the texts") {
  auto either = *LineFilter::create(kContains, {{"a", false}, {"b", false}});
  CHECK(either.keeps("xb"));
  CHECK_FALSE(either.keeps("xc"));
  auto neither = *LineFilter::create(kNotContains, {{"a", false}, {"b", false}});
  CHECK_FALSE(neither.keeps("xb"));
  CHECK(neither.keeps("xc"));
  auto mixed = *LineFilter::create(kContains, {{"10.0.0.0/8", true}, {"no", false}});
  CHECK(mixed.keeps("from 10.1.2.3"));
  CHECK(mixed.keeps("no address"));
  CHECK(mixed.required().empty());
}

TEST_CASE("line filter: refuses what is malformed") {
  CHECK(LineFilter::create(kMatches, "(").error().message == "error parsing regexp: missing closing ): `(`");
  CHECK(LineFilter::create(kMatches, {{"1.1.1.1", true}}).error().message == "ip: invalid operation");
  for (std::string text : {"x", "10.0.0.1-", "10.0.0.9-10.0.0.1", "10.0.0.0/33", "010.0.0.1", "10.0.0.1-::1"}) {
    CHECK(LineFilter::create(kContains, {{text, true}}).error().message ==
          concat("ip: invalid pattern: \"", text, "\""));
  }
  CHECK(LineFilter::create(kPattern, "<a>").error().message == "named captures are not allowed: found '<a>'");
  CHECK(LineFilter::create(kPattern, "<_><_>").error().message ==
        "found consecutive capture '<_><_>': invalid expression");
}

TEST_CASE("line filter: patterns are leftmost and wildcards are not empty") {
  CHECK(keeps(kPattern, "GET <_>", "xx GET /a"));
  CHECK_FALSE(keeps(kPattern, "GET <_>", "GET "));
  CHECK(keeps(kPattern, "bar bar", "foo bar bar"));
  CHECK_FALSE(keeps(kPattern, "<_> bar", "foo bar bar"));
  CHECK_FALSE(keeps(kPattern, "<_>a", "a"));
  CHECK(keeps(kPattern, "<_>", "a"));
  CHECK(keeps(kPattern, "", ""));
  CHECK_FALSE(keeps(kPattern, "", "a"));
  CHECK_FALSE(keeps(kPattern, "<_>", ""));
  CHECK(keeps(kNotPattern, "<_>a", "a"));
}

TEST_CASE("line filter: ip takes whole runs of address characters") {
  CHECK(mentions("10.0.0.1", "10.0.0.1:80"));
  CHECK(mentions("10.0.0.1", "v10.0.0.1"));
  CHECK(mentions("10.0.0.0/8", "x 10.9.8.7 y"));
  CHECK(mentions("10.0.0.7/8", "x 10.9.8.7 y"));
  CHECK(mentions("10.0.0.1-10.0.0.3", "10.0.0.3"));
  CHECK_FALSE(mentions("10.0.0.1-10.0.0.3", "10.0.0.4"));
  CHECK_FALSE(mentions("10.0.0.1", "10.0.0.1."));
  CHECK_FALSE(mentions("10.0.0.1", "010.0.0.1"));
  CHECK_FALSE(mentions("10.0.0.1", "abc:10.0.0.1"));
  CHECK(mentions("2001:db8::1", "[2001:db8::1]:80"));
  CHECK(mentions("::1", "from ::1 to"));
  CHECK(mentions("2001:db8::/32", "at 2001:db8:ffff::9 now"));
  CHECK_FALSE(mentions("10.0.0.1", "::ffff:10.0.0.1"));
}

TEST_CASE("line filters: selecting from a page of lines agrees with asking each line") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  constexpr std::string_view kWords[] = {"error", "warn",  "err",   "or", " ", "10.0.0.1",
                                         "x",     "ERROR", "GET /", "=",  "ab"};
  const std::vector<std::pair<LineFilterOp, std::string>> kFilters = {
      {kContains, "error"}, {kNotContains, "warn"},  {kMatches, "err|warn"},    {kMatches, "e.*r"},
      {kNotMatches, "x+"},  {kMatches, "(?i)error"}, {kPattern, "<_>error<_>"}, {kContains, ""},
      {kContains, "orer"},  {kMatches, "^err"},      {kNotPattern, "<_>x"},     {kMatches, "warn|10\\.0|GET /"},
      {kMatches, ".*"},     {kNotContains, ""}};
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 3, '.');
    auto begin = static_cast<uint32_t>(text.size());
    std::vector<uint32_t> ends;
    for (size_t lines = random() % 30; lines > 0; --lines) {
      for (size_t words = random() % 6; words > 0; --words) text += kWords[random() % std::size(kWords)];
      ends.push_back(static_cast<uint32_t>(text.size()));
    }
    text += "error";  // behind the last line: not to be seen
    std::vector<LineFilter> chosen;
    for (size_t n = random() % 3 + 1; n > 0; --n) {
      const auto& [op, operand] = kFilters[random() % kFilters.size()];
      chosen.push_back(filter(op, operand));
      INFO(line_filter_op_text(op), " ", operand);
    }
    LineFilters filters(std::move(chosen));
    std::vector<uint32_t> rows, expected;
    filters.select(text, ends, rows, begin);
    for (size_t i = 0; i < ends.size(); ++i) {
      uint32_t from = i == 0 ? begin : ends[i - 1];
      if (filters.keeps(std::string_view(text).substr(from, ends[i] - from)))
        expected.push_back(static_cast<uint32_t>(i));
    }
    REQUIRE(rows == expected);
    if (!expected.empty()) REQUIRE(filters.may_match(text));
  }
}

TEST_SUITE_END();
