#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <set>

#include "pipeline/base/testing/forgetful_files.h"
#include "server/store/format.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::Errc;
using pipeline::ForgetfulFiles;
using pipeline::LabelSet;

namespace {

struct StoreFixture {
  ForgetfulFiles files;
  std::unique_ptr<ObjectStore> store = *open_local_store(files, "/data");

  std::shared_ptr<const ObjectReader> open(const std::string& key, const ObjectSummary& summary) {
    auto reader = ObjectReader::open(*store, key, summary.size, summary.footer_length);
    REQUIRE_MESSAGE(reader, reader.error().message);
    return *reader;
  }
  std::string bytes(const std::string& key) {
    std::string out;
    REQUIRE(store->get_range(key, 0, *store->size(key), out));
    return out;
  }
};

std::string random_line(std::mt19937_64& random) {
  switch (random() % 50) {
    case 0: return "";
    case 1: return std::string(random() % 400'000, static_cast<char>('a' + random() % 26));
    default: {
      std::string out = "level=info msg=\"request done\" id=";
      out += std::to_string(random()) + " path=/api/" + std::to_string(random() % 100);
      out.resize(random() % out.size());
      return out;
    }
  }
}

std::vector<PlainEntry> random_entries(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<PlainEntry> out;
  uint64_t streams = 1 + random() % 40;
  bool with_metadata = random() % 2 == 0;
  for (size_t i = 0; i < count; ++i) {
    PlainEntry entry;
    uint64_t stream = random() % streams;
    entry.tenant = "tenant-" + std::to_string(stream % 3);
    entry.labels = LabelSet::from({{"app", "app-" + std::to_string(stream % 7)}, {"pod", std::to_string(stream)}});
    entry.time =
        static_cast<UnixNanos>(1'700'000'000'000'000'000 + random() % 1'000'000 * (random() % 3 == 0 ? 1 : 1000));
    entry.line = random_line(random);
    if (with_metadata && random() % 3 != 0) {
      std::vector<std::pair<std::string, std::string>> pairs = {{"trace_id", std::to_string(random())}};
      if (random() % 2 == 0) pairs.emplace_back("level", random() % 5 == 0 ? "error" : "info");
      if (random() % 20 == 0) pairs.emplace_back("empty", "");
      append_metadata(entry.metadata, std::vector<MetadataPair>(pairs.begin(), pairs.end()));
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("object: every entry comes back, in order of tenant, labels and time") {
    for (uint64_t round = 0; round < 24; ++round) {
      const uint64_t seed = round / 2;
      const bool stays = round % 2 == 1;
      CAPTURE(seed);
      CAPTURE(stays);
      StoreFixture fixture;
      auto entries = random_entries(seed, seed == 0 ? 0 : 400 * seed);
      ObjectBuilder builder;
      for (const PlainEntry& entry : entries) builder.add(entry);
      ObjectWriterOptions options{.object = {1, seed}, .level = 0};
      if (stays) options.effort = PageEffort::kSmall;
      auto summary = builder.write(*fixture.store, "c/l0/x.lseg", options);
      REQUIRE_MESSAGE(summary, summary.error().message);
      auto object = fixture.open("c/l0/x.lseg", *summary);
      CHECK(object->summary() == *summary);
      CHECK(summary->size == *fixture.store->size("c/l0/x.lseg"));

      auto by_time = [](const PlainEntry& a, const PlainEntry& b) {
        return std::tie(a.tenant, a.labels, a.time) < std::tie(b.tenant, b.labels, b.time);
      };
      std::stable_sort(entries.begin(), entries.end(), by_time);
      auto back = read_entries(object);
      REQUIRE_MESSAGE(back, back.error().message);
      // Repeated entries (the short and empty lines) were dropped.
      std::vector<PlainEntry> unique;
      std::set<PlainEntry> seen;
      for (const PlainEntry& entry : entries) {
        if (seen.insert(entry).second) unique.push_back(entry);
      }
      CHECK(*back == unique);
      CHECK(summary->rows == unique.size());
    }
  }

  TEST_CASE("object: opened without a catalogue row it tells the same, lineage included") {
    StoreFixture fixture;
    ObjectWriterOptions options{.cluster = {5, 6}, .object = {1, 2}, .level = 2, .inputs = {{3, 4}, {3, 5}}};
    options.producers = {{"t", "agent-1", 3, 10, 19}, {"t", "agent-1", 3, 25, 25}};
    ObjectBuilder builder;
    for (int i = 0; i < 20'000; ++i) { builder.add("t", {{"pod", std::to_string(i)}}, -i, "line", {{"k", "v"}}); }
    auto summary = builder.write(*fixture.store, "k", options);
    REQUIRE(summary);
    CHECK(summary->footer_length > 64 << 10);  // more than the first guess
    auto object = ObjectReader::open(*fixture.store, "k");
    REQUIRE_MESSAGE(object, object.error().message);
    CHECK((*object)->summary() == *summary);
    CHECK((*object)->cluster() == options.cluster);
    CHECK((*object)->inputs() == options.inputs);
    CHECK((*object)->producers() == options.producers);
    CHECK((*object)->summary().min_time == -19'999);
    CHECK((*object)->metadata_names() == std::vector<std::string>{"k"});
  }

  TEST_CASE("object: selects streams by tests on labels, an absent label being empty") {
    StoreFixture fixture;
    ObjectBuilder builder;
    builder.add("t", {{"app", "api"}, {"env", "prod"}}, 1, "a");
    builder.add("t", {{"app", "api"}, {"env", "dev"}}, 2, "b");
    builder.add("t", {{"app", "web"}}, 3, "c");
    builder.add("u", {{"app", "api"}}, 4, "d");
    auto object = fixture.open("k", *builder.write(*fixture.store, "k"));
    int asked = 0;
    auto equal = [&asked](std::string name, std::string value) {
      return LabelTest{std::move(name), [&asked, value](std::string_view v) { return ++asked, v == value; }};
    };
    auto texts = [&](std::string_view tenant, std::vector<LabelTest> tests) {
      std::string out;
      for (uint32_t i : object->select(tenant, tests).ordinals) out += object->labels(object->streams()[i]).text();
      return out;
    };
    CHECK(texts("t", {equal("app", "api")}) == R"({app="api", env="dev"}{app="api", env="prod"})");
    CHECK(asked == 2);
    CHECK(texts("t", {equal("env", "")}) == R"({app="web"})");
    CHECK(texts("t", {equal("app", "api"), equal("env", "prod")}) == R"({app="api", env="prod"})");
    CHECK(texts("t", {equal("nothing", "")}).size() == 3 * 11 + 2 * 12 - 1);
    CHECK(texts("u", {}) == R"({app="api"})");
    CHECK(texts("v", {}).empty());
  }

  TEST_CASE("object: streams are found by the only values that pass as a look at each would find them") {
    StoreFixture fixture;
    ObjectBuilder builder;
    std::mt19937_64 random(5);
    for (int i = 0; i < 300; ++i) {
      std::vector<pipeline::Label> labels{{"pod", "p" + std::to_string(i)},
                                          {"app", "a" + std::to_string(random() % 5)}};
      if (random() % 3 == 0) labels.emplace_back("env", "e" + std::to_string(random() % 3));
      builder.add(i % 4 == 0 ? "t" : "u", std::move(labels), i, "line");
    }
    auto object = fixture.open("k", *builder.write(*fixture.store, "k"));
    const std::vector<std::pair<std::string, std::vector<std::string>>> conditions = {
        {"pod", {"p7"}},     {"pod", {"p8", "p1", "p299", "none"}},
        {"app", {"a1"}},     {"app", {"a3", "a4"}},
        {"env", {"e1"}},     {"env", {""}},
        {"env", {"", "e2"}}, {"absent", {"x"}},
        {"absent", {""}}};
    for (std::string tenant : {"t", "u", "v"}) {
      for (const auto& [name, values] : conditions) {
        for (const auto& [other, other_values] : conditions) {
          auto test_of = [](const std::string& label, const std::vector<std::string>& only) {
            return LabelTest{
                label, [&only](std::string_view v) { return std::find(only.begin(), only.end(), v) != only.end(); }};
          };
          std::vector<LabelTest> tests = {test_of(name, values), test_of(other, other_values)};
          const StreamSet expected = object->select(tenant, tests);
          tests[0].only = values, tests[1].only = other_values;
          const StreamSet found = object->select(tenant, tests);
          CHECK(found.ordinals == expected.ordinals);
          CHECK(found.chosen == expected.chosen);
        }
      }
    }
  }

  TEST_CASE("object: pages are pruned by stream and time as a full scan would") {
    StoreFixture fixture;
    auto entries = random_entries(3, 6000);
    ObjectBuilder builder;
    for (const PlainEntry& entry : entries) builder.add(entry);
    auto object = fixture.open("k", *builder.write(*fixture.store, "k"));
    REQUIRE(object->pages().size() > 20);
    std::mt19937_64 random(3);
    for (int round = 0; round < 50; ++round) {
      std::string app = "app-" + std::to_string(random() % 7);
      UnixNanos begin = 1'700'000'000'000'000'000 + static_cast<UnixNanos>(random() % 1'000'000'000);
      UnixNanos end = begin + static_cast<UnixNanos>(random() % 100'000'000);
      std::vector<LabelTest> tests = {{"app", [&](std::string_view v) { return v == app; }}};
      StreamSet streams = object->select("tenant-1", tests);
      std::vector<uint32_t> expected;
      for (uint32_t page = 0; page < object->pages().size(); ++page) {
        auto runs = object->runs(page);
        bool wanted = std::any_of(runs.begin(), runs.end(), [&](const PageRun& run) {
          return streams.contains(run.stream) && run.min_time < end && run.max_time >= begin;
        });
        if (wanted) expected.push_back(page);
      }
      CHECK(object->pages_of(streams, begin, end) == expected);
    }
  }

  TEST_CASE("object: neighbouring pages of a column come in one ranged read") {
    StoreFixture fixture;
    ObjectBuilder builder;
    for (int i = 0; i < 20'000; ++i)
      builder.add("t", {{"a", "b"}}, i, "a line of some fifty bytes, always the same ones");
    auto object = fixture.open("k", *builder.write(*fixture.store, "k"));
    REQUIRE(object->pages().size() == 4);
    PageCursor cursor(object, {0, 1, 2, 3});
    size_t rows = 0;
    while (cursor.next()) rows += cursor.times()->size();
    CHECK(rows == 20'000);
    CHECK(cursor.stats().range_reads == 1);
    PageCursor backwards(object, {3, 2});
    while (backwards.next()) REQUIRE(backwards.text());
    CHECK(backwards.stats().range_reads == 2);
  }

  TEST_CASE("object: a corrupted page is named and the others stay readable") {
    StoreFixture fixture;
    ObjectBuilder builder;
    for (int i = 0; i < 20'000; ++i) {
      builder.add("t", {{"a", "b"}}, i, "a line of some fifty bytes, always the same ones", {{"k", std::to_string(i)}});
    }
    auto summary = *builder.write(*fixture.store, "k");
    auto whole = fixture.open("k", summary);
    std::string bytes = fixture.bytes("k");
    for (PageColumn column : {PageColumn::kTimes, PageColumn::kLengths, PageColumn::kMetadata, PageColumn::kText}) {
      const auto& stored = whole->pages()[1].column(column);
      std::string broken = bytes;
      broken[stored.offset + stored.length / 2] ^= 1;
      std::string key = "broken-" + std::to_string(static_cast<int>(column));
      REQUIRE(fixture.store->put(key, broken));
      PageCursor cursor(fixture.open(key, summary), {0, 1, 2, 3});
      for (uint32_t page = 0; page < 4; ++page) {
        REQUIRE(cursor.next());
        auto entries = cursor.entries();
        CHECK(entries.has_value() == (page != 1));
        if (entries) continue;
        CHECK(entries.error().code == Errc::kCorrupt);
        CHECK(entries.error().message.starts_with("object " + key + ": page 1: "));
        CHECK(entries.error().message.ends_with(": bad checksum"));
      }
    }
  }

  TEST_CASE("object: whatever byte is flipped or missing, it is noticed and nothing crashes") {
    StoreFixture fixture;
    ObjectBuilder builder;
    for (int i = 0; i < 40; ++i) {
      builder.add("t", {{"app", i % 2 == 0 ? "api" : "web"}}, i * i, "line " + std::to_string(i), {{"k", "v"}});
    }
    builder.add("u", {{"app", "api"}}, 7, "other tenant");
    auto summary = *builder.write(*fixture.store, "k");
    std::string bytes = fixture.bytes("k");
    auto original = *read_entries(fixture.open("k", summary));
    auto outcome = [&](const std::string& key, uint64_t size) -> Result<std::vector<PlainEntry>> {
      TRY_LET(auto object, ObjectReader::open(*fixture.store, key, size, summary.footer_length));
      return read_entries(object);
    };
    for (size_t at = 0; at < bytes.size(); ++at) {
      CAPTURE(at);
      std::string broken = bytes;
      broken[at] ^= static_cast<char>(1 << at % 8);
      std::string key = "flipped-" + std::to_string(at);
      REQUIRE(fixture.store->put(key, broken));
      auto entries = outcome(key, summary.size);
      if (at < kObjectHeaderBytes) {
        CHECK(entries == original);  // the header is for people and tools; the footer repeats it
      } else {
        REQUIRE_FALSE(entries);
        CHECK((entries.error().code == Errc::kCorrupt || entries.error().code == Errc::kInvalid));
      }
      (void)ObjectReader::open(*fixture.store, key);
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(size);
      std::string key = "cut-" + std::to_string(size);
      REQUIRE(fixture.store->put(key, std::string_view(bytes).substr(0, size)));
      CHECK_FALSE(outcome(key, summary.size));
      CHECK_FALSE(outcome(key, size));
      CHECK_FALSE(ObjectReader::open(*fixture.store, key));
    }
  }
}
