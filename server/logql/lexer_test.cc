#include <doctest/doctest.h>

#include "server/logql/token.h"

using namespace server;

namespace {

std::vector<Token> tokens(std::string_view text) {
  std::vector<Token> out;
  for (const Lexeme& lexeme : tokenize(text)) out.push_back(lexeme.token);
  return out;
}

std::string lexical_fault(std::string_view text) {
  const auto lexemes = tokenize(text);
  return lexemes.back().token == Token::kError ? lexemes.back().text : "none";
}

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("lexer: words are keywords in any case, function words only in front of a parenthesis") {
    CHECK(tokens("JSON On kEEp") == std::vector{Token::kJson, Token::kOn, Token::kKeep, Token::kEnd});
    CHECK(tokens("sum rate") == std::vector{Token::kIdentifier, Token::kIdentifier, Token::kEnd});
    CHECK(tokens("SUM (") == std::vector{Token::kSum, Token::kOpenParen, Token::kEnd});
    CHECK(tokens("sum by(a)")[0] == Token::kSum);
    CHECK(tokens("sum WITHOUT  (a)")[0] == Token::kSum);
    CHECK(tokens("sum by env (a)")[0] == Token::kIdentifier);
    CHECK(tokens("duration > 5s") == std::vector{Token::kIdentifier, Token::kGreater, Token::kDuration, Token::kEnd});
    CHECK(tokens("ip(") == std::vector{Token::kIp, Token::kOpenParen, Token::kEnd});
    CHECK(tokens("nan inf distinct of") ==
          std::vector{Token::kIdentifier, Token::kIdentifier, Token::kIdentifier, Token::kIdentifier, Token::kEnd});
  }

  TEST_CASE("lexer: durations, sizes and numbers are told apart by their letters") {
    struct Row {
      std::string_view text;
      Token token;
      int64_t value;
    };
    for (const Row& row : {Row{"5m", Token::kDuration, 300'000'000'000},
                           {"1h30m", Token::kDuration, 5'400'000'000'000},
                           {"1d12h", Token::kDuration, 129'600'000'000'000},
                           {"1.5h", Token::kDuration, 5'400'000'000'000},
                           {"10\xc2\xb5s", Token::kDuration, 10'000},
                           {"1ns", Token::kDuration, 1},
                           {"-5m", Token::kDuration, -300'000'000'000},
                           {"1h1.5m", Token::kDuration, 3'690'000'000'000},
                           {"5k", Token::kBytes, 5000},
                           {"1.5MiB", Token::kBytes, 1'572'864},
                           {"5B", Token::kBytes, 5},
                           {"2Ki", Token::kBytes, 2048},
                           {"5", Token::kNumber, 0},
                           {".5", Token::kNumber, 0},
                           {"5.", Token::kNumber, 0},
                           {"1e3", Token::kNumber, 0},
                           {"1_000", Token::kNumber, 0},
                           {"0x1p-1", Token::kNumber, 0},
                           {"007", Token::kNumber, 0}}) {
      INFO(std::string(row.text));
      const auto lexemes = tokenize(row.text);
      REQUIRE(lexemes.size() == 2);
      CHECK(lexemes[0].token == row.token);
      if (row.token == Token::kDuration) CHECK(lexemes[0].duration_ns == row.value);
      if (row.token == Token::kBytes) CHECK(static_cast<int64_t>(lexemes[0].bytes) == row.value);
      if (row.token == Token::kNumber) CHECK(lexemes[0].text == row.text);
    }
    CHECK(tokens("5kb") == std::vector{Token::kBytes, Token::kIdentifier, Token::kEnd});
    CHECK(tokens("1.5d") == std::vector{Token::kNumber, Token::kIdentifier, Token::kEnd});
    CHECK(tokens("5 kB") == std::vector{Token::kNumber, Token::kIdentifier, Token::kEnd});
    CHECK(tokens("-1d") == std::vector{Token::kSubtract, Token::kDuration, Token::kEnd});
    CHECK(tokens("1 -0") == std::vector{Token::kNumber, Token::kSubtract, Token::kNumber, Token::kEnd});
    CHECK(tokens("1--1") ==
          std::vector{Token::kNumber, Token::kSubtract, Token::kSubtract, Token::kNumber, Token::kEnd});
  }

  TEST_CASE("lexer: texts, comments and flags") {
    CHECK(tokenize(R"("a\n\x41\u00e9\101\"")")[0].text ==
          "a\nA\xc3\xa9"
          "A\"");
    CHECK(tokenize("`a\\n\n\"`")[0].text == "a\\n\n\"");
    CHECK(tokens("# all\n{ // more\n} /* end */") == std::vector{Token::kOpenBrace, Token::kCloseBrace, Token::kEnd});
    CHECK(tokens("--strict --keep-empty") == std::vector{Token::kFlag, Token::kFlag, Token::kEnd});
    CHECK(tokens("--Strict")[0] == Token::kSubtract);
    CHECK(tokens("--strictly")[0] == Token::kSubtract);
    CHECK(tokens("\xef\xbb\xbf{")[0] == Token::kOpenBrace);
    CHECK(tokens("\xc3\xa9t\xc3\xa9_1") == std::vector{Token::kIdentifier, Token::kEnd});
    CHECK(tokens("! &") == std::vector{Token::kUnknown, Token::kUnknown, Token::kEnd});
  }

  TEST_CASE("lexer: what is no token says why") {
    CHECK(lexical_fault("\"a") == "literal not terminated");
    CHECK(lexical_fault("\"a\nb\"") == "literal not terminated");
    CHECK(lexical_fault("`a") == "literal not terminated");
    CHECK(lexical_fault(R"("\'")") == "invalid char escape");
    CHECK(lexical_fault(R"("\x4")") == "invalid char escape");
    CHECK(lexical_fault(R"("\400")") == "invalid syntax");
    CHECK(lexical_fault("'xy'") == "invalid char literal");
    CHECK(lexical_fault("/* a") == "comment not terminated");
    CHECK(lexical_fault("08") == "invalid digit '8' in octal literal");
    CHECK(lexical_fault("1e") == "exponent has no digits");
    CHECK(lexical_fault("0x") == "hexadecimal literal has no digits");
    CHECK(lexical_fault("0b12") == "invalid digit '2' in binary literal");
    CHECK(lexical_fault("1__0") == "'_' must separate successive digits");
    CHECK(lexical_fault(std::string_view("\0", 1)) == "invalid character NUL");
    CHECK(lexical_fault("\"\xff\"") == "invalid UTF-8 encoding");
    CHECK(lexical_fault("[") == "missing closing ']' in duration");
    CHECK(lexical_fault("[]") == "empty duration string");
    CHECK(lexical_fault("[5]") == "not a valid duration string: \"5\"");
    CHECK(lexical_fault("[1us]") == "unknown unit \"us\" in duration \"1us\"");
    CHECK(lexical_fault("[5m:1m]") == "unknown unit \"m:\" in duration \"5m:1m\"");
    CHECK(lexical_fault("[1m1h]") == "not a valid duration string: \"1m1h\"");
    CHECK(lexical_fault("[99999999999y]") == "duration out of range");
  }

  TEST_CASE("lexer: positions count characters, and extended tokens stand in line 0") {
    const auto lexemes = tokenize("{\xc3\xa9=\"x\"}\n |= [5m]");
    REQUIRE(lexemes.size() == 8);
    CHECK(lexemes[2].column == 3);
    CHECK(lexemes[4].column == 7);
    CHECK((lexemes[5].line == 0 && lexemes[5].column == 2));
    CHECK((lexemes[6].line == 0 && lexemes[6].column == 5));
    CHECK((lexemes[7].line == 2 && lexemes[7].column == 9));
  }
}
