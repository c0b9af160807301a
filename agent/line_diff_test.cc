#include "agent/line_diff.h"

#include <doctest/doctest.h>

using namespace agent;

TEST_SUITE("agent") {
  TEST_CASE("line diff: shows what is missing, what is new and what is the same") {
    CHECK(line_diff({"a", "b"}, {"a", "b"}) == "");
    CHECK(line_diff({"a", "b", "c"}, {"a", "x", "c"}) == " a\n-b\n+x\n c\n");
    CHECK(line_diff({}, {"a"}) == "+a\n");
    CHECK(line_diff({"a"}, {}) == "-a\n");
    CHECK(line_diff({"a", "b"}, {"b"}) == "-a\n b\n");
  }

  TEST_CASE("line diff: lines are picked by their beginning") {
    CHECK(lines_with("ab 1\nb\nab 2", "ab") == std::vector<std::string>{"ab 1", "ab 2"});
    CHECK(lines_with("", "a").empty());
  }
}
