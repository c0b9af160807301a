#include "pipeline/model/label_set.h"

#include <doctest/doctest.h>

#include "pipeline/model/label_table.h"
#include "pipeline/model/quoted_text.h"

using namespace pipeline;

TEST_SUITE("model") {
  TEST_CASE("model: a label text is parsed, sorted and written back in one form") {
    auto set = LabelSet::parse(R"( { b = "2" , a='1', empty="", c=`x\y`, } )");
    REQUIRE(set.has_value());
    CHECK(set->text() == R"({a="1", b="2", c="x\\y"})");
    CHECK(LabelSet::parse("{}")->empty());
    CHECK(LabelSet::parse(set->text()) == *set);
  }

  TEST_CASE("model: a wrong label text says where and why") {
    CHECK(LabelSet::parse("{a=\"1\"").error().message == "1:7: parse error: unexpected end of input inside braces");
    CHECK(LabelSet::parse("{1a=\"1\"}").error().message == "1:2: parse error: unexpected character inside braces: '1'");
    CHECK(LabelSet::parse("{a=\"1\",a=\"2\"}").error().message == "duplicate label name \"a\"");
    CHECK_FALSE(LabelSet::parse("{a=\"1}").has_value());
    CHECK_FALSE(LabelSet::parse("{a=~\"1\"}").has_value());
  }

  TEST_CASE("model: quoting is reversible for every byte") {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    all += "é\u2028\U0001F600";
    std::string quoted;
    append_quoted(quoted, all);
    size_t at = 0;
    CHECK(take_quoted(quoted, at) == all);
    CHECK(at == quoted.size());
  }

  TEST_CASE("model: escapes that Go refuses are refused") {
    for (const char* bad : {R"("\8")", R"("\400")", R"("\xg0")", R"("\ud800")", "\"a\nb\"", "\"open", R"("\)"}) {
      size_t at = 0;
      CHECK_FALSE(take_quoted(bad, at).has_value());
    }
  }

  TEST_CASE("model: the label table gives one id per set and remembers changes") {
    LabelTable table;
    auto a = table.intern(LabelSet::from({{"a", "1"}}));
    auto ab = table.with(a, "b", "2");
    CHECK(table.text(ab) == R"({a="1", b="2"})");
    CHECK(table.with(a, "b", "2") == ab);
    CHECK(table.without(ab, "b") == a);
    CHECK(table.without(ab, "b") == a);
    CHECK(table.with(ab, "b", "3") != ab);
    CHECK(table.size() == 3);
  }
}
