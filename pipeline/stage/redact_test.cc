// The stage `redact`, in batches as a source makes them. What counts as a secret is tested in match/.
#include <doctest/doctest.h>

#include "pipeline/match/line_splitter.h"
#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;
const Texts kKeyLines = {"key: -----BEGIN RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA0m59l2u9iDnMbrXH",
                         "abc+/==", "-----END RSA PRIVATE KEY----- loaded"};
const std::string kJoined = R"({job="t"} key: <redacted:private_key> loaded)";

std::string series(std::string_view type, int count) {
  return concat("skidway_agent_redacted_total{type=\"", type, "\"} ", count, "\n");
}

}  // namespace

TEST_CASE("redact: replaces secrets, leaves other lines as they are, and counts by type") {
  TestPipeline p(stage("redact", "types = [\"email\", \"ipv4\"]\npatterns = {pin = \"pin=(\\\\d+)\"}"));
  CHECK(p.run({"bob@x.io from 10.0.0.1", "nothing", "pin=77 10.0.0.2", ""}) ==
        Texts{R"({job="t"} <redacted:email> from <redacted:ipv4>)", R"({job="t"} nothing)",
              R"({job="t"} pin=<redacted:pin> <redacted:ipv4>)", R"({job="t"} )"});
  CHECK(p.metrics() == series("email", 1) + series("ipv4", 2) + series("pin", 1));
}

TEST_CASE("redact: a replacement of one's own, and an extracted value instead of the line") {
  TestPipeline p(stage("redact", "replacement = \"[{type}/{type}]\"\ntypes = [\"email\"]"));
  CHECK(p.run({"a@b.cc"}) == Texts{R"({job="t"} [email/email])"});
  TestPipeline field(stage("regex", "expression = \"to=(?P<to>\\\\S+)\"") + stage("redact", "source = \"to\"") +
                     stage("labels", "values = {to = \"\", job = \"\"}"));
  CHECK(field.run({"to=a@b.cc x@y.zz", "to=b x@y.zz"}) ==
        Texts{R"({job="t", to="<redacted:email>"} to=a@b.cc x@y.zz)", R"({job="t", to="b"} to=b x@y.zz)"});
}

TEST_CASE("redact: says what is wrong with its arguments") {
  CHECK(error_of("redact", "types = [\"mail\"]").find("unknown type \"mail\", there are email, ipv4") !=
        std::string::npos);
  CHECK(error_of("redact", "types = []").find("neither types nor patterns to look for") != std::string::npos);
  CHECK(error_of("redact", "source = \"\"").find("empty source") != std::string::npos);
  CHECK(error_of("redact", "patterns = {a = \"(\"}").find("pattern a: error parsing regexp") != std::string::npos);
}

TEST_CASE("redact: a private key over several lines becomes one entry with a placeholder, wherever batches end") {
  for (size_t cut = 0; cut <= kKeyLines.size(); ++cut) {
    TestPipeline p(stage("redact"));
    auto middle = kKeyLines.begin() + static_cast<std::ptrdiff_t>(cut);
    Texts out = p.run({kKeyLines.begin(), middle});
    CHECK(p.open_from() == (cut == 0 || cut == 4 ? std::nullopt : std::optional<uint64_t>(0)));
    for (const std::string& line : p.run({middle, kKeyLines.end()})) out.push_back(line);
    CHECK(out == Texts{kJoined});
    if (cut < 4) {
      CHECK(p.origins(0) == "[0,37)[37,70)[70,78)[78,115)");
      CHECK(p.rebuild(0) == Texts{kJoined});
    }
    CHECK_FALSE(p.open_from().has_value());
    CHECK(p.metrics().find("type=\"private_key\"} 1\n") != std::string::npos);
  }
}

TEST_CASE("redact: a line that cannot belong to a key ends it") {
  TestPipeline p(stage("redact"));
  CHECK(p.run({"before", "-----BEGIN PRIVATE KEY-----", "MIIE", "{\"mail\":\"a@b.cc\"}", "after"}) ==
        Texts{R"({job="t"} before)", R"({job="t"} <redacted:private_key>)", R"({job="t"} {"mail":"<redacted:email>"})",
              R"({job="t"} after)"});
  CHECK(p.run({"x -----BEGIN PRIVATE KEY-----"}).empty());
  CHECK(p.run({"-----END PRIVATE KEY----- and -----BEGIN PRIVATE KEY-----\\nMIIE"}).empty());
  CHECK(p.run({"-----END PRIVATE KEY-----"}) ==
        Texts{R"({job="t"} x <redacted:private_key> and <redacted:private_key>)"});
}

TEST_CASE("redact: streams of one file do not get into each other's keys") {
  TestPipeline p(stage("cri") + stage("redact"));
  CHECK(p.run({"2026-11-21T00:00:00Z stdout F -----BEGIN PRIVATE KEY-----", "2026-11-21T00:00:00Z stderr F other",
               "2026-11-21T00:00:00Z stdout F MIIE", "2026-11-21T00:00:00Z stdout F -----END PRIVATE KEY-----"}) ==
        Texts{R"({job="t", stream="stderr"} other)", R"({job="t", stream="stdout"} <redacted:private_key>)"});
}

TEST_CASE("redact: a key that does not go on is handed on in time, and nothing of its rest is") {
  TestPipeline p(stage("redact"));
  auto line = [](std::string_view text, UnixNanos after) {
    TestLine out{.text = std::string(text)};
    out.read_time = kNow + after;
    return out;
  };
  CHECK(p.run_lines({line("-----BEGIN PRIVATE KEY-----", 0), line("MIIE", kSecond)}).empty());
  CHECK(p.due() == kNow + 6 * kSecond);
  CHECK(p.expire(kNow + 5 * kSecond).empty());
  CHECK(p.expire(kNow + 6 * kSecond) == Texts{R"({job="t"} <redacted:private_key>)"});
  CHECK_FALSE(p.due().has_value());
  CHECK_FALSE(p.open_from().has_value());
  CHECK(p.run_lines({line("abcd", 8 * kSecond)}).empty());
  CHECK(p.open_from().has_value());
  // The same verdict by read times alone.
  CHECK(p.run_lines({line("efgh", 20 * kSecond)}) == Texts{R"(2026-11-21T00:00:08Z {job="t"} <redacted:private_key>)"});
  CHECK(p.flush() == Texts{R"(2026-11-21T00:00:20Z {job="t"} <redacted:private_key>)"});
  CHECK(p.run({"done"}) == Texts{R"({job="t"} done)"});

  CHECK(p.run_lines({line("-----BEGIN PRIVATE KEY-----", 0)}).empty());
  CHECK(p.run_lines({line("done", 61 * kSecond)}) ==
        Texts{R"({job="t"} <redacted:private_key>)", R"(2026-11-21T00:01:01Z {job="t"} done)"});
}

TEST_CASE("redact: nothing is counted twice when a batch is built again") {
  TestPipeline p(stage("redact", "types = [\"email\"]"), StageUse::kRebuild);
  CHECK(p.run({"a@b.cc"}) == Texts{R"({job="t"} <redacted:email>)"});
  CHECK(p.metrics() == series("email", 0));
}

TEST_CASE("redact: lines of one block are searched together, and give what each gives alone") {
  const std::string block =
      "2026-11-21T00:00:00Z stdout F a@b.cc\n"
      "2026-11-21T00:00:00Z stdout F nothing at all\n"
      "2026-11-21T00:00:00Z stdout F \n"
      "2026-11-21T00:00:00Z stdout F 10.0.0.1\n"
      "2026-11-21T00:00:00Z stdout F 1.5 4111\n"
      "1111 1111 1111\n";
  ConfigDocument document = *ConfigDocument::parse(stage("cri") + stage("redact"), "t.toml");
  auto stages = StageList::build(document.root(), "stage");
  auto state = stages->make_state(StageUse::kLive);
  LabelTable table;
  Batch batch(table);
  std::vector<uint32_t> ends;
  find_newlines(block, ends);
  uint64_t begin = 0;
  for (uint32_t end : ends) {
    batch.add(std::string_view(block).substr(begin, end - begin), kNow, table.intern(LabelSet()),
              {.begin = begin, .end = end + 1u, .read_time = kNow});
    begin = end + 1u;
  }
  DropCounts drops;
  stages->process(batch, *state, drops);
  CHECK(std::vector<std::string>(batch.lines.begin(), batch.lines.end()) ==
        Texts{"<redacted:email>", "nothing at all", "", "<redacted:ipv4>", "1.5 4111", "1111 1111 1111"});
}

TEST_SUITE_END();
