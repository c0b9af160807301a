// logfmt and patterns.
#include <doctest/doctest.h>
#include <random>

#include "pipeline/parse/logfmt.h"
#include "pipeline/parse/pattern.h"

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {

std::string pairs(std::string_view line) {
  LogfmtScanner scanner(line);
  LogfmtPair pair;
  Arena arena;
  std::string out;
  for (;;) {
    switch (scanner.next(pair)) {
      case LogfmtScanner::Step::kEnd: return out;
      case LogfmtScanner::Step::kPair: out += concat(pair.key, "=", logfmt_text(pair, arena), ";"); break;
      case LogfmtScanner::Step::kFault: out += concat("[", scanner.fault(), "]"); break;
    }
  }
}

std::string parse(std::string_view pattern, std::string_view line) {
  auto parser = PatternParser::compile(pattern);
  if (!parser) return parser.error().message;
  std::vector<std::string_view> values;
  size_t found = parser->parse(line, values);
  std::string out;
  for (size_t i = 0; i < found; ++i) out += concat(parser->names()[i], "=", values[i], ";");
  return out;
}

}  // namespace

TEST_CASE("logfmt: pairs, bare keys, quoted values") {
  CHECK(pairs("a=1  b=\"x y\"\tc d= e=\"\"") == "a=1;b=x y;c=;d=;e=;");
  CHECK(pairs(R"(m="q\"\\\/\'\n\u00e9")") == "m=q\"\\/'\n\u00e9;");
  CHECK(pairs("") == "");
  CHECK(pairs("é=ü") == "é=ü;");
}

TEST_CASE("logfmt: reads the same near the end of a text as in its middle") {
  uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kBytes = "ab=\" \x01\xc3\xa9xyz0\\=";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t size = random() % 40; size > 0; --size) text.push_back(kBytes[random() % kBytes.size()]);
    std::string near = pairs(text), middle = pairs(text + std::string(20, ' '));
    if (near.find("unterminated") == std::string::npos) REQUIRE_MESSAGE(near == middle, text);
  }
}

TEST_CASE("logfmt: names faults by position and goes on behind the next space") {
  CHECK(pairs("a=1 =2 c=3") == "a=1;[logfmt syntax error at pos 5 : unexpected '=']c=3;");
  CHECK(pairs("a=b=c d=1") == "[logfmt syntax error at pos 4 : unexpected '=']d=1;");
  CHECK(pairs("a=x\"y d=1") == "[logfmt syntax error at pos 4 : unexpected '\"']d=1;");
  CHECK(pairs("a\"b=1 d=1") == "[logfmt syntax error at pos 2 : unexpected '\"']d=1;");
  CHECK(pairs("a=1 b=\"open c=2") == "a=1;[logfmt syntax error at pos 16 : unterminated quoted value]");
  CHECK(pairs("a=\"\\q\" b=1") == "[logfmt syntax error at pos 7 : invalid quoted value]b=1;");
  CHECK(pairs("a\xff=1 b=1").ends_with("invalid key]b=1;"));
  CHECK(pairs("a=\"\\") == "[logfmt syntax error at pos 5 : unterminated quoted value]");
}

TEST_CASE("logfmt: random bytes end") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  constexpr std::string_view kLetters = "ab= \"\\'u0\xff\n";
  for (int round = 0; round < 20000; ++round) {
    std::string line;
    for (size_t n = random() % 20; n > 0; --n) line += kLetters[random() % kLetters.size()];
    CHECK(pairs(line).size() < 3000);
  }
}

TEST_CASE("pattern: captures up to the first occurrence of what follows") {
  CHECK(parse("<ip> - <_> \"<method> <path> <_>\" <status>", "1.2.3.4 - u \"GET /x HTTP/1.1\" 200") ==
        "ip=1.2.3.4;method=GET;path=/x;status=200;");
  CHECK(parse("GET <path>", "x GET /a") == "");
  CHECK(parse("<a> <b>;", "x y") == "a=x;b=y;");
  CHECK(parse("<a>, <b>", "no comma") == "a=no comma;");
  CHECK(parse("<a>|<b>", "|") == "a=;b=;");
  CHECK(parse("<a>", "") == "");
  CHECK(parse("<a>.", "x. tail") == "a=x;");
  CHECK(parse("<1a><b>", "<1a>x") == "b=x;");
}

TEST_CASE("pattern: refuses") {
  CHECK(parse("", "") ==
        "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL");
  CHECK(parse("<a><b>", "") == "found consecutive capture '<a><b>': invalid expression");
  CHECK(parse("<a> <a>", "") == "duplicate capture name (a): invalid expression");
  CHECK(parse("<_> x", "") == "at least one capture is required");
  CHECK(parse("x", "") == "at least one capture is required");
}

TEST_SUITE_END();
