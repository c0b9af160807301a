#include "pipeline/match/loose_texts.h"

#include <doctest/doctest.h>

using pipeline::LooseTexts;

namespace {

// "-": the expression is matched as it is; "+": the value is kept.
std::string kept(std::string_view pattern, std::string_view value) {
  auto texts = LooseTexts::of(pattern);
  if (!texts) return "-";
  return texts->matches(value) ? "+" : "";
}

}  // namespace

TEST_SUITE("pipeline/match") {
  TEST_CASE("loose texts: a text with .* beside it is looked for anywhere") {
    for (std::string_view pattern : {"bar.*", ".*bar", ".*bar.*", "bar.*?", "(bar.*)", "bar[^\\n]*"}) {
      CAPTURE(pattern);
      CHECK(kept(pattern, "x bar\ny") == "+");
      CHECK(kept(pattern, "ba") == "");
    }
    CHECK(kept("(?i)BAR.*", "a Bar") == "+");
    CHECK(kept(".*", "a\nb") == "+");
    CHECK(kept("", "a") == "+");
    CHECK(kept(".+", "") == "");
    CHECK(kept(".+", "a\nb") == "+");
  }

  TEST_CASE("loose texts: plain texts are whole values") {
    CHECK(kept("bar", "bar") == "+");
    CHECK(kept("bar", "bars") == "");
    CHECK(kept("one|two", "two") == "+");
    CHECK(kept("one|two", "two2") == "");
    CHECK(kept("(one|two)", "one") == "+");
    CHECK(kept("one|.*two", "a two b") == "+");
    CHECK(kept("one|.*two", "one b") == "");
  }

  TEST_CASE("loose texts: alternatives that begin alike are looked for anywhere") {
    for (std::string_view pattern : {"web-one|web-two", "web-(one|two)", "(web-one|web-two)"}) {
      CAPTURE(pattern);
      CHECK(kept(pattern, "x web-one y") == "+");
      CHECK(kept(pattern, "x web-two y") == "+");
      CHECK(kept(pattern, "web-") == "");
    }
    CHECK(kept("bar|baz.*", "a bar") == "+");
    CHECK(kept("web|website", "a web") == "+");
    CHECK(kept("a-one|a-two|c", "c") == "+");
    CHECK(kept("a-one|a-two|c", "cc") == "");
  }

  TEST_CASE("loose texts: what is not simple enough stays as it is") {
    for (std::string_view pattern : {"bar|baz", "a.c", "^bar.*", "bar$", "ba+", "[a-z]+", "foo.*bar", "web(-one)?",
                                     "a|b", "(a|b)foo", "x|.*", "\\d.*", "(?s).*bar", "(?i)\xc3\xa9.*"}) {
      CAPTURE(pattern);
      CHECK(kept(pattern, "x") == "-");
    }
  }
}
