#include "pipeline/match/first_bytes.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/concat.h"
#include "pipeline/match/regex.h"

using namespace pipeline;

namespace {
std::string bytes_of(std::string_view pattern) {
  auto bytes = FirstBytes::of(pattern);
  if (!bytes) return "?";
  std::string out;
  for (char c = ' '; c < '\x7f'; ++c) {
    if (bytes->may_begin(std::string(1, c))) out += c;
  }
  return out;
}
}  // namespace

TEST_SUITE("match") {
  TEST_CASE("match: the first bytes of anchored expressions are known") {
    CHECK(bytes_of("^\\d{4}-\\d\\d") == "0123456789");
    CHECK(bytes_of("^\\[") == "[");
    CHECK(bytes_of("^[A-Cx]") == "ABCx");
    CHECK(bytes_of("^(INFO|(?:WARN|ERROR) )x") == "EIW");
    CHECK(bytes_of("^(?P<time>[0-3])a") == "0123");
    CHECK(bytes_of("^[^\\s]+").size() == 94);
    CHECK(bytes_of("\\A\\.") == ".");
    CHECK(FirstBytes::of("^\\S")->may_begin("\xff"));
    CHECK_FALSE(FirstBytes::of("^\\S")->may_begin(""));
  }

  TEST_CASE("match: nothing is said of expressions that may begin anywhere or with nothing") {
    for (const char* pattern : {"a", "^a|b", "^a*b", "^(a|)b", "^$", "^", "(?i)^a", "^(?i)a", "^(a(?i)|b)", "^x{0,2}y",
                                "^.", "^[[:digit:]]", "^\\Qa", "^\\pL", "^\\bx", "^(a)?b", "(?m)^a"}) {
      CHECK_MESSAGE(bytes_of(pattern) == "?", pattern);
    }
  }

  TEST_CASE("match: a text that the expression matches begins with one of the bytes, for random expressions") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto pick = [&](auto& list) { return list[random() % std::size(list)]; };
    static constexpr std::string_view kPieces[] = {"a", "b",   "\\d", "[ab]",   "[^a]", "\\[", "(",     "(?:", "(?P<n>",
                                                   ")", "|",   "?",   "*",      "+",    "{2}", "{0,1}", "\\s", "\\S",
                                                   "-", "\\w", "]",   "[a-c1]", "$",    "^",   ".",     "\\W", "[]x]"};
    static constexpr char kBytes[] = {'a', 'b', 'c', '1', ' ', '-', '[', ']', 'x', '\xc3', '\xa9', '\xff', '\t'};
    int known = 0;
    for (int round = 0; round < 20000; ++round) {
      std::string pattern = "^";
      for (size_t n = 1 + random() % 6; n > 0; --n) pattern += pick(kPieces);
      auto regex = Regex::compile(pattern);
      auto bytes = FirstBytes::of(pattern);
      if (!regex || !bytes) continue;
      ++known;
      for (int k = 0; k < 8; ++k) {
        std::string text;
        for (size_t n = random() % 5; n > 0; --n) text += pick(kBytes);
        if (regex->partial_match(text)) CHECK_MESSAGE(bytes->may_begin(text), concat(pattern, " ", text));
      }
    }
    CHECK(known > 1000);
  }
}
