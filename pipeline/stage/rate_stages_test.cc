// limit, sampling, dedup.
#include <doctest/doctest.h>
#include <random>

#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;

TestLine line_at(UnixNanos time, std::string text, const LabelSet& labels = LabelSet::from({{"job", "t"}})) {
  return {.text = std::move(text), .labels = labels, .read_time = time};
}
std::vector<TestLine> lines_at(UnixNanos time, const Texts& texts) {
  std::vector<TestLine> lines;
  for (const std::string& text : texts) lines.push_back(line_at(time++, text));
  return lines;
}
// Without the time in front.
Texts untimed(Texts texts) {
  for (std::string& text : texts) text = text.substr(text.find('{'));
  return texts;
}

}  // namespace

TEST_CASE("limit: drops what comes faster than the rate, by the read times") {
  TestPipeline p(stage("limit", "rate = 2\nburst = 3\ndrop = true"));
  CHECK(p.run_lines(lines_at(kNow, {"1", "2", "3", "4", "5"})).size() == 3);
  CHECK(p.run_lines(lines_at(kNow + kSecond, {"6", "7", "8"})).size() == 2);
  CHECK(p.run_lines(lines_at(kNow, {"earlier"})).empty());  // another file's lines, read before
  CHECK(p.run_lines(lines_at(kNow + 100 * kSecond, {"a", "b", "c", "d"})).size() == 3);
  REQUIRE(p.drops().counts().size() == 1);
  CHECK(p.drops().counts()[0].reason == "ratelimit_drop_stage");
  CHECK(p.drops().lines() == 5);
}

TEST_CASE("limit: a bucket for each value of a label, none for entries without it") {
  TestPipeline p(stage("limit", "rate = 1e-6\nburst = 1\ndrop = true\nby_label_name = 'app'\nmax_distinct_labels = 5"));
  const LabelSet a = LabelSet::from({{"app", "a"}}), empty = LabelSet::from({{"app", ""}});
  CHECK(p.run_lines({line_at(kNow, "1", a), line_at(kNow, "2", a), line_at(kNow, "3"), line_at(kNow, "4"),
                     line_at(kNow, "5", empty), line_at(kNow, "6", empty)})
            .size() == 4);
  CHECK(p.metrics() ==
        "loki_process_dropped_lines_by_label_total{label_name=\"app\",label_value=\"\"} 1\n"
        "loki_process_dropped_lines_by_label_total{label_name=\"app\",label_value=\"a\"} 1\n");
}

TEST_CASE("limit: label values are known in two generations; those not seen for long start anew") {
  TestPipeline p(stage("limit", "rate = 1e-6\nburst = 1\ndrop = true\nby_label_name = 'app'"));
  auto run = [&](const std::string& value) { return p.run({"x"}, LabelSet::from({{"app", value}})).size(); };
  CHECK(run("first") == 1);
  CHECK(run("first") == 0);
  for (int i = 0; i < 9999; ++i) run(concat("a", i));
  CHECK(p.metrics().empty());  // counts end with a generation
  CHECK(run("first") == 0);    // it is known from the old one
  for (int i = 0; i < 30000; ++i) run(concat("b", i));
  CHECK(run("first") == 1);
}

TEST_CASE("limit: without drop everything passes, and the reader is asked to rest") {
  TestPipeline p(stage("limit", "rate = 10\nburst = 2"));
  CHECK(p.run_lines(lines_at(kNow, {"1", "2"})).size() == 2);
  CHECK_FALSE(p.resume_at().has_value());
  CHECK(p.run_lines(lines_at(kNow, {"3", "4", "5"})).size() == 3);
  REQUIRE(p.resume_at().has_value());
  CHECK(*p.resume_at() - kNow > 299'000'000);
  CHECK(*p.resume_at() - kNow < 301'000'000);
  CHECK(p.run_lines(lines_at(kNow + kSecond, {"6"})).size() == 1);
  CHECK_FALSE(p.resume_at().has_value());
}

TEST_CASE("limit, sampling: a rebuild keeps everything and counts nothing") {
  const Texts lines(50, "x");
  TestPipeline limit(stage("limit", "rate = 1e-6\nburst = 1\ndrop = true\nby_label_name = 'job'"), StageUse::kRebuild);
  CHECK(limit.run(lines).size() == 50);
  CHECK(limit.metrics().empty());
  TestPipeline sampling(stage("sampling", "rate = 0"), StageUse::kRebuild);
  CHECK(sampling.run(lines).size() == 50);
  CHECK(sampling.drops().lines() == 0);
}

TEST_CASE("limit: wrong arguments are refused") {
  CHECK(error_of("limit").find("missing required attribute \"burst\"") != std::string::npos);
  CHECK(error_of("limit", "rate = -1\nburst = 1") == "t.toml:1:1: limit stage failed to parse rate or burst");
  CHECK(error_of("limit", "rate = 1\nburst = 0") == "t.toml:1:1: limit stage failed to parse rate or burst");
  CHECK(error_of("limit", "rate = 1\nburst = 1\nby_label_name = 'a'") ==
        "t.toml:1:1: when ratelimiting by label, drop must be true");
}

TEST_CASE("sampling: keeps about the part that is wanted, and says why others went") {
  TestPipeline p(stage("sampling", "rate = 0.25\ndrop_counter_reason = 'thin'"));
  const size_t kept = p.run(Texts(10'000, "line")).size();
  CHECK(kept > 2200);
  CHECK(kept < 2800);
  CHECK(p.drops().counts().at(0).reason == "thin");
  CHECK(TestPipeline(stage("sampling", "rate = 1")).run(Texts(100, "x")).size() == 100);
  CHECK(TestPipeline(stage("sampling", "rate = 0.0")).run(Texts(100, "x")).empty());
  CHECK(error_of("sampling", "rate = 1.5") ==
        "t.toml:1:1: sampling stage failed to parse rate,Sampling Rate must be between 0.0 and 1.0, received 1.500000");
  CHECK(error_of("sampling", "rate = 'half'") ==
        "t.toml:3:8: rate: \"half\" should be number, got string; write a number without quotes");
}

TEST_CASE("dedup: equal entries within the window become one with their number") {
  TestPipeline p(stage("dedup", "window = '10s'"));
  CHECK(p.run_lines(lines_at(kNow, {"a", "b", "a"})).empty());
  CHECK(p.due() == kNow + 10 * kSecond);
  CHECK(p.open_from() == 0);
  CHECK(p.run_lines(lines_at(kNow + 9 * kSecond, {"a", "c"})).empty());
  Texts out = p.run_lines(lines_at(kNow + 10 * kSecond + 1, {"a"}));
  CHECK(untimed(out) == Texts{"{job=\"t\"} a dedup_count=3", "{job=\"t\"} b"});
  CHECK(p.origins(0) == "[0,2)[4,6)[6,8)");
  CHECK(p.rebuild(0) == Texts{out[0]});
  CHECK(p.rebuild(1) == Texts{out[1]});
  CHECK(p.expire(kNow + 18 * kSecond).empty());
  CHECK(untimed(p.expire(kNow + 19 * kSecond + 1)) == Texts{"{job=\"t\"} c"});
  CHECK(p.open_from() == 10);
  CHECK(untimed(p.flush()) == Texts{"{job=\"t\"} a"});
  CHECK_FALSE(p.due().has_value());
  CHECK_FALSE(p.open_from().has_value());
  CHECK(p.metrics() == "skidway_process_deduplicated_lines_total 2\n");
}

TEST_CASE("dedup: streams are apart; a value may decide instead of the line; entries without it pass") {
  TestPipeline p(stage("json", "expressions = { m = \"\" }") + stage("dedup", "source = 'm'\ncount_name = 'n'"));
  const LabelSet other = LabelSet::from({{"job", "u"}});
  CHECK(p.run_lines({line_at(kNow, "{\"m\":\"x\",\"i\":1}"), line_at(kNow, "{\"m\":\"x\",\"i\":2}"),
                     line_at(kNow, "{\"m\":\"x\",\"i\":3}", other), line_at(kNow, "{\"i\":4}")}) ==
        Texts{"{job=\"t\"} {\"i\":4}"});
  CHECK(p.flush() == Texts{"{job=\"t\"} {\"m\":\"x\",\"i\":1} n=2", "{job=\"u\"} {\"m\":\"x\",\"i\":3}"});
}

TEST_CASE("dedup: at most max_entries are held; the oldest is handed on early") {
  TestPipeline p(stage("dedup", "max_entries = 3"));
  CHECK(untimed(p.run_lines(lines_at(kNow, {"a", "b", "c", "a", "d", "a"}))) ==
        Texts{"{job=\"t\"} a dedup_count=2", "{job=\"t\"} b"});
  CHECK(untimed(p.flush()) == Texts{"{job=\"t\"} c", "{job=\"t\"} d", "{job=\"t\"} a"});
  TestPipeline large(stage("dedup"));
  size_t entries = 0;
  for (int i = 0; i < 70; ++i) entries += large.run({concat(i, std::string(1 << 20, 'x'))}).size();
  CHECK(entries >= 6);
  CHECK(error_of("dedup", "window = '0s'") == "t.toml:1:1: window must be greater than 0");
  CHECK(error_of("dedup", "max_entries = 0") == "t.toml:1:1: max_entries must be greater than 0");
  CHECK(error_of("dedup", "count_name = ''") == "t.toml:1:1: count_name must not be empty");
  CHECK(error_of("dedup", "source = ''") == "t.toml:1:1: empty source");
}

TEST_CASE("dedup: counts of random lines are those of a simple count, and every entry can be rebuilt") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    TestPipeline p(stage("dedup", "window = '1s'"));
    struct Group {
      std::string text;
      UnixNanos first;
      int count;
    };
    std::vector<Group> expected;
    Texts got;
    UnixNanos time = kNow;
    for (int batch = 0; batch < 5; ++batch) {
      std::vector<TestLine> lines;
      for (size_t n = random() % 8; n > 0; --n) {
        time += random() % 4 == 0 ? kSecond / 3 : 1;
        lines.push_back(line_at(time, std::string(1, static_cast<char>('a' + random() % 3))));
        auto open =
            std::find_if(expected.rbegin(), expected.rend(), [&](auto& g) { return g.text == lines.back().text; });
        if (open != expected.rend() && time < open->first + kSecond) {
          ++open->count;
        } else {
          expected.push_back({lines.back().text, time, 1});
        }
      }
      Texts out = p.run_lines(lines);
      for (size_t row = 0; row < out.size(); ++row) CHECK(p.rebuild(row) == Texts{out[row]});
      got.insert(got.end(), out.begin(), out.end());
    }
    for (std::string& text : p.flush()) got.push_back(std::move(text));
    Texts wanted;
    for (const Group& group : expected) {
      wanted.push_back(concat("{job=\"t\"} ", group.text, group.count > 1 ? concat(" dedup_count=", group.count) : ""));
    }
    CHECK(untimed(got) == wanted);
  }
}

TEST_SUITE_END();
