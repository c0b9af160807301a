#include "server/patterns/template_miner.h"

#include <doctest/doctest.h>
#include <random>

#include "server/patterns/pattern_codec.h"

using namespace server;

namespace {
std::vector<std::string> texts(const TemplateMiner& miner) {
  std::vector<std::string> out;
  for (const MinedTemplate& one : miner.templates()) out.push_back(one.text);
  return out;
}
}  // namespace

TEST_SUITE("patterns") {
  TEST_CASE("patterns: lines that differ in numbers and few words have one template, with counts by time") {
    TemplateMiner miner;
    miner.add("user ada logged in from 10.0.0.1", 1);
    miner.add("user 17 logged in from 10.0.0.9", 1);
    miner.add("user bob logged in from 10.0.0.9", 2);
    miner.add("disk full", 2);
    auto found = miner.templates();
    REQUIRE(found.size() == 2);
    CHECK(found[0].text == "user <_> logged in from <_>");
    CHECK(found[0].counts == std::map<int64_t, uint64_t>{{1, 2}, {2, 1}});
    CHECK(found[0].total() == 3);
    CHECK(found[1].text == "disk full");
  }

  TEST_CASE("patterns: keys and quotes of logfmt and JSON stay, values become variable") {
    TemplateMiner miner;
    miner.add(R"(level=info msg="served page" took=12ms status=200)", 0);
    miner.add(R"(level=info msg="served page" took=7ms status=404)", 0);
    CHECK(texts(miner) == std::vector<std::string>{R"(level=info msg="served page" took=<_> status=<_>)"});
    TemplateMiner json;
    json.add(R"({"user":"ada","id":1,"path":"/x"})", 0);
    json.add(R"({"user":"bob","id":2,"path":"/x"})", 0);
    CHECK(texts(json) == std::vector<std::string>{R"({"user":"<_>","id":<_>,"path":"/x"})"});
  }

  TEST_CASE("patterns: variables beside each other are one") {
    TemplateMiner miner;
    miner.add("start 1 2 3 end", 0);
    miner.add("start 1 2 3 4 5 end", 0);
    CHECK(texts(miner) == std::vector<std::string>{"start <_> end"});
  }

  TEST_CASE("patterns: templates can be mined again, so that parts can be joined") {
    TemplateMiner miner;
    miner.add("took <_> ms for ada", 1, 5);
    miner.add("took <_> ms for bob", 2, 7);
    auto found = miner.templates();
    REQUIRE(found.size() == 1);
    CHECK(found[0].text == "took <_> ms for <_>");
    CHECK(found[0].total() == 12);
  }

  TEST_CASE("patterns: empty, long and odd lines are lines too") {
    TemplateMiner miner;
    miner.add("", 0);
    miner.add("   ", 0);
    miner.add("<_>", 0);
    miner.add("\xff\xfe", 0);
    std::string longest;
    for (int i = 0; i < 1000; ++i) longest += "word ";
    miner.add(longest, 0);
    auto found = miner.templates();
    CHECK(found.size() == 5);
    for (const MinedTemplate& one : found) CHECK(one.text.size() < 600);
  }

  TEST_CASE("patterns: what is different every time is counted, not kept") {
    TemplateMiner miner;
    constexpr size_t kLines = 3 * TemplateMiner::kMaxTemplates;
    for (size_t i = 0; i < kLines; ++i) {
      std::string word;
      for (size_t n = i; word.size() < 4; n /= 26) word += static_cast<char>('a' + n % 26);
      miner.add(word, 0);
    }
    uint64_t counted = miner.left_out();
    for (const MinedTemplate& one : miner.templates()) counted += one.total();
    CHECK(counted == kLines);
    CHECK(miner.left_out() > 0);
  }

  TEST_CASE("patterns: every line is counted once, whatever it looks like") {
    std::mt19937 random(20261121);
    const std::string_view pieces[] = {"a", "b", "1", "<_>", " ", "  ", "=", "\"", "{", "x9", "<", ">", "\t", ","};
    TemplateMiner miner;
    for (int i = 0; i < 20'000; ++i) {
      std::string line;
      for (uint32_t n = random() % 8; n > 0; --n) line += pieces[random() % std::size(pieces)];
      miner.add(line, static_cast<int64_t>(random() % 3));
    }
    uint64_t counted = miner.left_out();
    for (const MinedTemplate& one : miner.templates()) counted += one.total();
    CHECK(counted == 20'000);
  }

  TEST_CASE("patterns: what was mined comes back from its bytes, and broken bytes are refused") {
    MinedLevels levels = {{"info", {{"a <_>", {{-5, 1}, {7, 300}}}, {"b", {{0, 2}}}}}, {"", {}}};
    std::string bytes = encode_patterns(levels);
    auto again = decode_patterns(bytes);
    REQUIRE(again.has_value());
    REQUIRE(again->at("info").size() == 2);
    CHECK(again->at("info")[0].text == "a <_>");
    CHECK(again->at("info")[0].counts == levels["info"][0].counts);
    CHECK(again->contains(""));
    for (size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_patterns(std::string_view(bytes).substr(0, size)));
    CHECK_FALSE(decode_patterns("\x02" + bytes.substr(1)));
    CHECK_FALSE(decode_patterns(bytes + "x"));
  }
}
