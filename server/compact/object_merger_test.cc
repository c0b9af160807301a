#include "server/compact/object_merger.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <set>

#include "pipeline/base/concat.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "server/compact/period.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::concat;
using pipeline::Errc;
using pipeline::FakeClock;
using pipeline::ForgetfulFiles;
using pipeline::LabelSet;

namespace {

constexpr UnixNanos kHour = 3'600'000'000'000;
constexpr UnixNanos kStart = 472'000 * kHour;

struct CountingWatch final : MergeWatch {
  Result<void> on_output(const Ulid&, const std::string&) override { return ++outputs, Result<void>(); }
  Result<void> on_progress() override { return ++looks, Result<void>(); }
  size_t outputs = 0, looks = 0;
};

struct MergeFixture {
  ForgetfulFiles files;
  std::unique_ptr<ObjectStore> store = *open_local_store(files, "/data");
  FakeClock clock;
  UlidMaker ulids{clock, 1};
  Ulid cluster{7, 7};
  MergeOptions options;
  std::atomic<bool> cancelled{false};
  std::unique_ptr<Erasures> erasures = std::make_unique<Erasures>(std::vector<DeleteRequest>(), 0, nullptr, 0);
  uint64_t deletes_applied = 0;
  CountingWatch watch;

  ObjectRow write(const std::vector<PlainEntry>& entries) {
    ObjectBuilder builder;
    for (const PlainEntry& entry : entries) builder.add(entry);
    ObjectRow row;
    ObjectWriterOptions writer{.cluster = cluster, .object = ulids.make(), .level = 0};
    row.key = object_key(cluster, 0, writer.object);
    auto summary = builder.write(*store, row.key, writer);
    REQUIRE_MESSAGE(summary, summary.error().message);
    row.summary = *summary;
    return row;
  }
  Result<MergeOutcome> merge(const std::vector<ObjectRow>& rows) {
    return merge_objects(*store, cluster, ulids, {rows, *erasures, deletes_applied}, options, cancelled, watch);
  }
  std::vector<PlainEntry> read(const ObjectRow& row) {
    auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
    REQUIRE_MESSAGE(object, object.error().message);
    CHECK((*object)->summary() == row.summary);
    auto entries = read_entries(*object);
    REQUIRE_MESSAGE(entries, entries.error().message);
    return *entries;
  }
  size_t stored_l2() { return store->list(object_folder(cluster, 2))->size(); }
};

PlainEntry entry(std::string pod, UnixNanos time, std::string line, std::string tenant = "t") {
  return {std::move(tenant), LabelSet::from({{"pod", std::move(pod)}}), time, std::move(line), {}};
}

PlainEntry random_entry(std::mt19937_64& random, UnixNanos span) {
  PlainEntry out =
      entry(std::to_string(random() % 9), kStart + static_cast<UnixNanos>(random()) % span,
            std::string(random() % 300, static_cast<char>('a' + random() % 3)), random() % 3 == 0 ? "other" : "t");
  if (random() % 5 == 0) append_metadata(out.metadata, std::vector<MetadataPair>{{"k", std::to_string(random() % 2)}});
  return out;
}

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("merge: every entry of the inputs once, in order, as an obvious slow way does") {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      MergeFixture fixture;
      // Few distinct times where the seed is even: many ties between and within inputs.
      UnixNanos span = seed % 2 == 0 ? 50 : 3 * kHour;
      std::vector<ObjectRow> rows;
      std::vector<PlainEntry> expected;
      std::set<PlainEntry> seen;
      uint64_t written = 0;
      for (uint64_t i = 1 + random() % 5; i > 0; --i) {
        std::vector<PlainEntry> entries;
        for (uint64_t n = 1 + random() % 3000; n > 0; --n) entries.push_back(random_entry(random, span));
        if (!expected.empty()) {  // some of an earlier input again, as after a lost answer
          for (size_t n = 0; n < 200; ++n) entries.push_back(expected[random() % expected.size()]);
        }
        rows.push_back(fixture.write(entries));
        written += rows.back().summary.rows;
        for (const PlainEntry& e : entries) {
          if (seen.insert(e).second) expected.push_back(e);
        }
      }
      std::stable_sort(expected.begin(), expected.end(), [](const PlainEntry& a, const PlainEntry& b) {
        return std::tie(a.tenant, a.labels, a.time) < std::tie(b.tenant, b.labels, b.time);
      });

      auto outcome = fixture.merge(rows);
      REQUIRE_MESSAGE(outcome, outcome.error().message);
      CHECK(outcome->entries == expected.size());
      CHECK(outcome->repeated == written - expected.size());
      std::map<int64_t, std::vector<PlainEntry>> by_hour;
      for (const PlainEntry& e : expected) by_hour[hour_of(e.time)].push_back(e);
      REQUIRE(outcome->outputs.size() == by_hour.size());
      for (const ObjectRow& row : outcome->outputs) {
        CHECK(row.summary.level == 2);
        CHECK(fixture.read(row) == by_hour[hour_of(row.summary.min_time)]);
      }
    }
  }

  TEST_CASE("merge: outputs say what they were made from") {
    MergeFixture fixture;
    std::vector<ObjectRow> rows = {fixture.write({entry("a", kStart, "x")}), fixture.write({entry("b", kStart, "y")})};
    auto outcome = fixture.merge(rows);
    REQUIRE(outcome);
    auto object = *ObjectReader::open(*fixture.store, outcome->outputs.at(0).key);
    CHECK(object->inputs() == std::vector<Ulid>{rows[0].summary.object, rows[1].summary.object});
    CHECK(object->cluster() == fixture.cluster);
  }

  TEST_CASE("merge: entries of very many hours are cut by longer periods, never into very many objects") {
    MergeFixture fixture;
    std::vector<PlainEntry> entries;
    auto periods = [&] {
      auto outcome = fixture.merge({fixture.write(entries)});
      REQUIRE_MESSAGE(outcome, outcome.error().message);
      size_t total = 0;
      for (const ObjectRow& row : outcome->outputs) total += row.summary.rows;
      CHECK(total == entries.size());
      return outcome->outputs.size();
    };
    for (int i = 0; i < 24; ++i) entries.push_back(entry("a", kStart + i * 1000 * kHour, "x"));
    CHECK(periods() == 24);  // 24 hours, far apart
    entries.clear();
    for (int i = 0; i < 240; ++i) entries.push_back(entry("a", kStart + i * kHour, "x"));
    CHECK(periods() <= 11);  // 10 days
    for (int i = 0; i < 240; ++i) entries.push_back(entry("a", kStart + i * 24 * kHour, "y"));
    CHECK(periods() <= 10);  // 8 months
    entries.push_back(entry("b", -5 * 8760 * kHour, "z"));
    CHECK(periods() == 1);
  }

  TEST_CASE("merge: an output that has grown to its target is closed at the end of a stream") {
    MergeFixture fixture;
    fixture.options.target_bytes = 1;
    auto outcome = fixture.merge({fixture.write({entry("a", kStart, "x"), entry("b", kStart, "y")})});
    REQUIRE(outcome);
    CHECK(outcome->outputs.size() == 1);  // nothing is stored before a page is full
    std::mt19937_64 random(1);
    std::string noise;
    for (int i = 0; i < 300'000; ++i) noise += static_cast<char>(random());
    outcome = fixture.merge({fixture.write(
        {entry("a", kStart, noise), entry("b", kStart, noise), entry("c", kStart, noise), entry("d", kStart, noise)})});
    REQUIRE(outcome);
    CHECK(outcome->outputs.size() >= 2);
  }

  TEST_CASE("merge: what stays is compressed better than the inputs, lines with fields that come and go and lengths") {
    MergeFixture fixture;
    fixture.options.with_filter = false;
    std::mt19937_64 random(5);
    std::vector<PlainEntry> entries;
    for (int i = 0; i < 20'000; ++i) {
      std::string line = concat("{\"sequence\":", i);
      const char* const parts[] = {"auth-service", "payment-service", "user-service", "notification-service"};
      for (const char* field : {"component", "caller", "status_code", "bytes_sent", "trace_id", "region"})
        if (random() % 3 > 0) line += concat(",\"", field, "\":\"", parts[random() % 4], "\"");
      entries.push_back(entry("a", kStart + i, line));
    }
    const ObjectRow input = fixture.write(entries);
    auto outcome = fixture.merge({input});
    REQUIRE(outcome);
    REQUIRE(outcome->outputs.size() == 1);
    CHECK(fixture.read(outcome->outputs[0]) == entries);
    auto stored = [&](const ObjectRow& row, PageColumn column) {
      auto object = ObjectReader::open(*fixture.store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE(object);
      size_t bytes = 0;
      for (const PageInfo& page : (*object)->pages()) bytes += page.column(column).length;
      return bytes;
    };
    for (PageColumn column : {PageColumn::kText, PageColumn::kLengths})
      CHECK(stored(outcome->outputs[0], column) < stored(input, column));
  }

  TEST_CASE("merge: a corrupt input is named, a stop is obeyed, and neither leaves anything behind") {
    MergeFixture fixture;
    std::vector<PlainEntry> entries;
    for (int i = 0; i < 5000; ++i) entries.push_back(entry("a", kStart + i * kHour / 2000, "some line or other"));
    ObjectRow good = fixture.write(entries), bad = fixture.write(entries);
    SUBCASE("corrupt") {
      std::string bytes;
      REQUIRE(fixture.store->get_range(bad.key, 0, bad.summary.size, bytes));
      bytes[100] = static_cast<char>(bytes[100] ^ 4);
      REQUIRE(fixture.store->remove(bad.key));
      REQUIRE(fixture.store->put(bad.key, bytes));
      auto outcome = fixture.merge({good, bad});
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == Errc::kCorrupt);
      CHECK(outcome.error().message.find(bad.key) != std::string::npos);
    }
    SUBCASE("stopped") {
      fixture.cancelled = true;
      auto outcome = fixture.merge({good, bad});
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == Errc::kCancelled);
    }
    SUBCASE("the n-th operation on files fails") {
      size_t failures = 0;
      for (uint64_t step = 0;; ++step) {
        fixture.files.fail_at(fixture.files.operations() + step);
        auto outcome = fixture.merge({good, bad});
        fixture.files.fail_at(UINT64_MAX);
        if (outcome) {
          CHECK(outcome->outputs.size() == 3);
          for (const ObjectRow& row : outcome->outputs) REQUIRE(fixture.store->remove(row.key));
          break;
        }
        ++failures;
        CHECK(fixture.stored_l2() == 0);
      }
      CHECK(failures > 5);
    }
    CHECK(fixture.stored_l2() == 0);
  }
  TEST_CASE("merge: more hours than may be open at once are merged in several passes, and nothing is lost") {
    for (size_t most_outputs : {1, 2, 3, 50}) {
      CAPTURE(most_outputs);
      MergeFixture fixture;
      fixture.options.most_outputs = most_outputs;
      std::vector<PlainEntry> all;
      std::vector<ObjectRow> rows;
      for (int object = 0; object < 3; ++object) {
        std::vector<PlainEntry> entries;
        for (int i = 0; i < 300; ++i)
          entries.push_back(
              entry("p" + std::to_string(i % 3), kStart + (i * 7 + object) * (kHour / 100), "l" + std::to_string(i)));
        all.insert(all.end(), entries.begin(), entries.end());
        rows.push_back(fixture.write(entries));
      }
      auto merged = fixture.merge(rows);
      REQUIRE_MESSAGE(merged, merged.error().message);
      CHECK(fixture.watch.outputs == merged->outputs.size());
      CHECK(merged->outputs.size() == 21);
      std::multiset<PlainEntry> found;
      for (const ObjectRow& row : merged->outputs) {
        CHECK(hour_of(row.summary.min_time) == hour_of(row.summary.max_time));
        for (PlainEntry& one : fixture.read(row)) found.insert(std::move(one));
      }
      CHECK(found == std::multiset<PlainEntry>(all.begin(), all.end()));
    }
  }

  TEST_CASE("merge: the seal that all outputs name is one of them, and written last") {
    MergeFixture fixture;
    auto rows = std::vector{
        fixture.write({entry("a", kStart, "1"), entry("a", kStart + kHour, "2"), entry("a", kStart + 5 * kHour, "3")})};
    auto merged = fixture.merge(rows);
    REQUIRE(merged);
    REQUIRE(merged->outputs.size() == 3);
    for (const ObjectRow& row : merged->outputs) {
      auto object = *ObjectReader::open(*fixture.store, row.key);
      CHECK(object->seal() == merged->outputs.back().summary.object);
      CHECK(object->inputs() == std::vector{rows[0].summary.object});
    }
  }

  TEST_CASE("merge: entries of requests to delete are left out and counted, of objects that they touch only") {
    MergeFixture fixture;
    auto before = fixture.write({entry("a", kStart, "secret 1"), entry("a", kStart + 1, "plain"),
                                 entry("a", kStart + 2, "secret 2"), entry("b", kStart, "secret 3"),
                                 entry("a", kStart, "secret", "other tenant")});
    auto after = fixture.write({entry("a", kStart, "secret 1"), entry("a", kStart + 3, "secret 4")});
    after.summary.deletes_applied = 1;
    std::vector<DeleteRequest> requests(1);
    requests[0] = {.number = 1, .tenant = "t", .query = R"({pod="a"} |= "secret")"};
    requests[0].begin = kStart, requests[0].end = kStart + kHour;
    fixture.erasures = std::make_unique<Erasures>(requests, 1, nullptr, 0);
    fixture.deletes_applied = 1;
    auto merged = fixture.merge({before});
    REQUIRE(merged);
    REQUIRE(merged->outputs.size() == 1);
    CHECK(merged->outputs[0].summary.deletes_applied == 1);
    CHECK(fixture.read(merged->outputs[0]) == std::vector{entry("a", kStart, "secret", "other tenant"),
                                                          entry("a", kStart + 1, "plain"),
                                                          entry("b", kStart, "secret 3")});
    REQUIRE(merged->erased.size() == 1);
    CHECK(merged->erased[0].entries == 2);
    CHECK(merged->erased[0].bytes == 16);
    // What came after the request stays: also the entry that was deleted.
    auto reread = ObjectReader::open(*fixture.store, after.key);
    REQUIRE(reread);
  }

  TEST_CASE("merge: what is past its retention is left out, and each output has one retention") {
    MergeFixture fixture;
    RetentionSettings settings{std::chrono::hours(10),
                               {{R"({pod="long"})", 1, std::chrono::hours(1000)}, {R"({pod="ever"})", 1, {}}}};
    auto rules = std::make_shared<const RetentionRules>(*RetentionRules::compile(settings));
    fixture.erasures = std::make_unique<Erasures>(
        std::vector<DeleteRequest>(), 0, [rules](std::string_view) { return rules; }, kStart + 11 * kHour);
    auto row = fixture.write({entry("ever", kStart, "1"), entry("long", kStart, "2"), entry("short", kStart, "3"),
                              entry("short", kStart + 2 * kHour, "4"), entry("long", kStart + 2 * kHour, "5")});
    auto merged = fixture.merge({row});
    REQUIRE(merged);
    CHECK(merged->expired == 1);
    std::multiset<std::pair<uint64_t, std::string>> found;
    for (const ObjectRow& output : merged->outputs)
      for (const PlainEntry& one : fixture.read(output))
        found.insert({output.summary.retention_seconds / 3600, one.line});
    CHECK(found == std::multiset<std::pair<uint64_t, std::string>>{{0, "1"}, {1000, "2"}, {10, "4"}, {1000, "5"}});
    CHECK(merged->outputs.size() == 4);
  }

  TEST_CASE("merge: an object of which nothing is left has no output") {
    MergeFixture fixture;
    std::vector<DeleteRequest> requests(1);
    requests[0] = {.number = 1, .tenant = "t", .query = R"({pod="a"})"};
    requests[0].begin = kStart, requests[0].end = kStart + kHour;
    fixture.erasures = std::make_unique<Erasures>(requests, 1, nullptr, 0);
    auto merged = fixture.merge({fixture.write({entry("a", kStart, "1"), entry("a", kStart + 1, "2")})});
    REQUIRE(merged);
    CHECK(merged->outputs.empty());
    CHECK(merged->entries == 0);
    CHECK(fixture.stored_l2() == 0);
  }

  TEST_CASE("merge: an entry at the last moment there is stays") {
    MergeFixture fixture;
    auto merged = fixture.merge({fixture.write({entry("a", INT64_MAX, "last"), entry("a", INT64_MIN, "first")})});
    REQUIRE(merged);
    CHECK(merged->entries == 2);
  }

  TEST_CASE("merge: whoever watches may end it, and nothing of it stays") {
    struct Refusing final : MergeWatch {
      Result<void> on_output(const Ulid&, const std::string&) override { return {}; }
      Result<void> on_progress() override { return pipeline::fail(Errc::kInvalid, "the lease was lost"); }
    } watch;
    MergeFixture fixture;
    auto row = fixture.write({entry("a", kStart, "1")});
    auto merged = merge_objects(*fixture.store, fixture.cluster, fixture.ulids,
                                {std::span(&row, 1), *fixture.erasures, 0}, fixture.options, fixture.cancelled, watch);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().message == "the lease was lost");
    CHECK(fixture.stored_l2() == 0);
  }
}
