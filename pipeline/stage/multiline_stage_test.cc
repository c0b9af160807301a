#include <doctest/doctest.h>
#include <random>

#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;

std::string multiline(std::string_view rest = "") { return stage("multiline", concat("firstline = '^\\['\n", rest)); }

// Lines with read times one nanosecond apart, as a file has them.
std::vector<TestLine> read_at(UnixNanos time, const Texts& texts) {
  std::vector<TestLine> lines;
  for (const std::string& text : texts) lines.push_back({.text = text, .read_time = time++});
  return lines;
}

std::string shown(const Texts& texts) {
  std::string out;
  for (const std::string& text : texts) out += concat(out.empty() ? "" : " | ", text);
  return out;
}

std::string without_time(const std::string& text) { return text.substr(text.find('{')); }

}  // namespace

TEST_CASE("multiline: joins the lines behind a first line, and leaves alone what comes before any") {
  TestPipeline p(multiline());
  CHECK(p.run({"orphan", "[1] start", "  at a", "  at b", "[2] second", "[3] third"}) ==
        Texts{"{job=\"t\"} orphan", "{job=\"t\"} [1] start\n  at a\n  at b", "{job=\"t\"} [2] second"});
  CHECK(p.origins(1) == "[7,17)[17,24)[24,31)");
  CHECK(p.open_from() == 42);
  CHECK(p.due() == kNow + 3 * kSecond);
  CHECK(p.run({"  tail"}).empty());
  p.table().clear();
  CHECK(p.run({"  tail 2", "[4]"}) == Texts{"{job=\"t\"} [3] third\n  tail\n  tail 2"});
  CHECK(p.origins(0) == "[42,52)[52,59)[59,68)");
  CHECK(p.run({"[5]"}) == Texts{"{job=\"t\"} [4]"});
  CHECK(p.flush() == Texts{"{job=\"t\"} [5]"});
  CHECK_FALSE(p.open_from().has_value());
  CHECK_FALSE(p.due().has_value());
  CHECK(p.flush().empty());
}

TEST_CASE("multiline: trims line ends unless told not to, and writes no newline into an empty block") {
  TestPipeline p(multiline());
  p.run({"[1]\r", "a\r", "", "b"});
  CHECK(p.flush() == Texts{"{job=\"t\"} [1]\na\n\nb"});
  TestPipeline raw(multiline("trim_newlines = false"));
  raw.run({"[1]\n", "a\r\n", ""});
  CHECK(raw.flush() == Texts{"{job=\"t\"} [1]\n\na\r\n\n"});
  TestPipeline empty(stage("multiline", "firstline = '^$'"));
  CHECK(empty.run({"", "a", "", "", "b"}) == Texts{"{job=\"t\"} a"});  // a block without text is none
  CHECK(empty.flush() == Texts{"{job=\"t\"} b"});
}

TEST_CASE("multiline: keeps a block for each label set") {
  TestPipeline p(multiline());
  const LabelSet a = LabelSet::from({{"s", "a"}}), b = LabelSet::from({{"s", "b"}});
  auto line = [](std::string text, const LabelSet& labels) {
    return TestLine{.text = std::move(text), .labels = labels};
  };
  CHECK(p.run_lines({line("[a1]", a), line("[b1]", b), line("a2", a), line("b2", b), line("[a3]", a)}) ==
        Texts{"{s=\"a\"} [a1]\na2"});
  CHECK(p.open_from() == 5);
  CHECK(p.run_lines({line("c", LabelSet::from({{"s", "c"}})), line("[b3]", b)}) ==
        Texts{"{s=\"c\"} c", "{s=\"b\"} [b1]\nb2"});
  CHECK(p.flush() == Texts{"{s=\"a\"} [a3]", "{s=\"b\"} [b3]"});
}

TEST_CASE("multiline: an entry has the time, labels, metadata and values of its first line") {
  TestPipeline p(stage("regex", "expression = '^(?P<word>\\S+)'") + multiline() +
                 stage("labels", "values = { w = \"word\" }"));
  p.run_lines({{.text = "[x] 1", .read_time = kNow - 5, .metadata = {{"m", "1"}}}});
  CHECK(p.run_lines(
            {{.text = "y", .read_time = kNow - 4, .metadata = {{"m", "2"}}}, {.text = "[z]", .read_time = kNow - 3}}) ==
        Texts{"2026-11-20T23:59:59.999999995Z {job=\"t\", w=\"[x]\"} [x] 1\ny m=1"});
}

TEST_CASE("multiline: a full block is handed on, and later lines form another with the same first line") {
  TestPipeline p(multiline("max_lines = 3"));
  const Texts expected = {"{job=\"t\"} [1]\na\nb", "{job=\"t\"} c\nd\ne", "{job=\"t\"} f\ng"};
  SUBCASE("in one batch") {
    Texts out = p.run_lines(read_at(kNow, {"[1]", "a", "b", "c", "d", "e", "f", "g", "[2]"}));
    CHECK(out == expected);
    for (size_t row = 0; row < 3; ++row) CHECK(p.rebuild(row) == Texts{expected[row]});
  }
  SUBCASE("over several batches") {
    Texts out;
    UnixNanos time = kNow;
    for (const char* text : {"[1]", "a", "b", "c", "d", "e", "f", "g", "[2]"}) {
      for (std::string& entry : p.run_lines(read_at(time++, {text}))) {
        CHECK(p.rebuild(0) == Texts{entry});
        out.push_back(std::move(entry));
      }
    }
    CHECK(out == expected);
  }
  TestPipeline endless(multiline("max_lines = 0"));
  endless.run({"[1]"});
  endless.run(Texts(200, "x"));
  Texts all = endless.flush();
  REQUIRE(all.size() == 1);
  CHECK(std::count(all[0].begin(), all[0].end(), '\n') == 200);
}

TEST_CASE("multiline: a block is cut when no line came for max_wait_time, by read times or when told") {
  TestPipeline p(multiline("max_wait_time = \"2s\""));
  p.run_lines(read_at(kNow, {"[1]", "a"}));
  CHECK(p.due() == kNow + 1 + 2 * kSecond);
  SUBCASE("by the read time of the next line, which then stays alone") {
    Texts out = p.run_lines(read_at(kNow + 1 + 2 * kSecond, {"b", "[2]"}));
    REQUIRE(out.size() == 2);
    CHECK(out[0] == "{job=\"t\"} [1]\na");
    CHECK(without_time(out[1]) == "{job=\"t\"} b");
    CHECK(p.rebuild(0) == Texts{out[0]});
  }
  SUBCASE("a little earlier it belongs to the block") {
    CHECK(p.run_lines(read_at(kNow + 2 * kSecond, {"b", "[2]"})) == Texts{"{job=\"t\"} [1]\na\nb"});
  }
  SUBCASE("by the clock") {
    CHECK(p.expire(kNow + 2 * kSecond).empty());
    CHECK(p.expire(kNow + 1 + 2 * kSecond) == Texts{"{job=\"t\"} [1]\na"});
    CHECK(p.rebuild(0) == Texts{"{job=\"t\"} [1]\na"});
    CHECK(p.expire(kNow + 9 * kSecond).empty());
    CHECK(without_time(p.run_lines(read_at(kNow + 3 * kSecond, {"b"})).at(0)) == "{job=\"t\"} b");
  }
}

TEST_CASE(
    "multiline: the blocks of random lines, cut into random batches, are those of one batch, and can be rebuilt") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::string toml = concat(multiline(concat("max_lines = ", random() % 5, "\nmax_wait_time = \"1s\"")));
    std::vector<TestLine> lines;
    UnixNanos time = kNow + 1;
    for (size_t n = random() % 40; n > 0; --n) {
      static constexpr std::string_view kTexts[] = {"[1]", "[2] x", "a", "", "b", "  at c"};
      time += random() % 12 == 0 ? kSecond : 1;
      lines.push_back({.text = std::string(kTexts[random() % 6]),
                       .labels = LabelSet::from({{"s", random() % 4 == 0 ? "a" : "b"}}),
                       .read_time = time});
    }
    TestPipeline whole(toml), cut(toml);
    auto by_stream = [](const Texts& texts) {
      Texts sorted = texts;
      std::stable_sort(sorted.begin(), sorted.end(),
                       [](auto& x, auto& y) { return x.find("s=\"a") != x.npos && y.find("s=\"a") == y.npos; });
      return sorted;
    };
    Texts expected = whole.run_lines(lines);
    for (size_t row = 0; row < expected.size(); ++row) CHECK(shown(whole.rebuild(row)) == expected[row]);
    for (std::string& late : whole.flush()) expected.push_back(std::move(late));
    Texts got;
    for (size_t at = 0; at < lines.size();) {
      const size_t n = std::min(lines.size() - at, 1 + random() % 5);
      Texts out = cut.run_lines({lines.begin() + static_cast<long>(at), lines.begin() + static_cast<long>(at + n)});
      for (size_t row = 0; row < out.size(); ++row) CHECK(shown(cut.rebuild(row)) == out[row]);
      got.insert(got.end(), out.begin(), out.end());
      at += n;
      if (random() % 3 == 0 && at < lines.size()) {
        Texts due = cut.expire(lines[at].read_time);
        got.insert(got.end(), due.begin(), due.end());
      }
    }
    for (std::string& late : cut.flush()) got.push_back(std::move(late));
    CHECK(by_stream(got) == by_stream(expected));
  }
}

TEST_CASE("multiline: memory is bounded, for a block that never ends and for many streams") {
  TestPipeline p(multiline("max_lines = 0"));
  p.run({"[1]"});
  size_t entries = 0;
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 9; ++i) entries += p.run({line}).size();
  CHECK(entries == 2);
  TestPipeline many(multiline());
  entries = 0;
  for (int i = 0; i < 10001; ++i) entries += many.run({"[1]"}, LabelSet::from({{"n", std::to_string(i)}})).size();
  CHECK(entries == 10000);
}

TEST_CASE("multiline: wrong arguments are refused") {
  CHECK(error_of("multiline") ==
        "t.toml:1:1: missing required attribute \"firstline\"; regular expression found in the "
        "first line of an entry, for example '^\\d{4}-\\d{2}-\\d{2}' or '^\\S'");
  CHECK(error_of("multiline", "firstline = ''") ==
        "t.toml:1:1: multiline stage config must define `firstline` regular expression");
  CHECK(error_of("multiline", "firstline = '('") ==
        "t.toml:1:1: multiline stage first line regex compilation error: error parsing regexp: missing closing ): `(`");
  CHECK(error_of("multiline", "firstline = 'x'\nmax_wait_time = \"3\"") ==
        "t.toml:4:17: max_wait_time: \"3\" time: missing unit in duration \"3\"; for example \"1h30m\" or \"500ms\"");
  CHECK(error_of("multiline", "firstline = 'x'\nmax_wait_time = \"0s\"") ==
        "t.toml:1:1: max_wait_time must be greater than 0");
  CHECK(error_of("multiline", "firstline = 'x'\nmax_lines = -1") == "t.toml:1:1: max_lines must not be negative");
}

TEST_SUITE_END();
