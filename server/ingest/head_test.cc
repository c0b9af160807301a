#include "server/ingest/head.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/concat.h"
#include "server/ingest/batch_numbers.h"

using namespace server;
using pipeline::concat;

TEST_SUITE_BEGIN("server/ingest");

namespace {

std::shared_ptr<const Stream> stream_of(std::string tenant, std::string app) {
  return Stream::make(tenant, pipeline::LabelSet::from({{"app", app}}));
}

// One push of one stream.
PushedEntries push_of(std::shared_ptr<const Stream> stream, std::vector<std::pair<int64_t, std::string>> entries) {
  PushedEntries out;
  pipeline::UnixNanos min = INT64_MAX, max = INT64_MIN;
  for (auto& [time, line] : entries) {
    MetadataPair trace{"trace", line};
    out.columns.append(time, line, std::span(&trace, time % 2 == 0 ? 1 : 0));
    min = std::min(min, time), max = std::max(max, time);
  }
  out.parts.push_back({std::move(stream), 0, static_cast<uint32_t>(out.columns.size()), min, max});
  return out;
}

std::vector<std::string> lines_of(const HeadStream& stream) {
  std::vector<std::string> out;
  for (const HeadRun& run : stream.runs) {
    for (size_t i = 0; i < run.entries.size(); ++i) {
      CHECK(run.entries.time(i) >= run.min_time);
      CHECK(run.entries.time(i) <= run.max_time);
      if (run.entries.time(i) % 2 == 0) CHECK(run.entries.metadata(i).find("trace") == run.entries.line(i));
      if (run.entries.time(i) % 2 != 0) CHECK(run.entries.metadata(i).empty());
      out.emplace_back(run.entries.line(i));
    }
  }
  return out;
}

std::vector<std::string> lines_of(const HeadSnapshot& snapshot) {
  std::vector<std::string> out;
  for (const HeadPiece& piece : snapshot.pieces) {
    for (const HeadStream& stream : *piece.streams)
      for (std::string& line : lines_of(stream)) out.push_back(std::move(line));
  }
  return out;
}

}  // namespace

TEST_CASE("head: entries are visible at once, to their tenant only") {
  Head head;
  CHECK_FALSE(head.seal());
  head.add(push_of(stream_of("a", "x"), {{1, "one"}, {2, "two"}}), "a", 1, std::nullopt);
  head.add(push_of(stream_of("b", "x"), {{3, "three"}}), "b", 2, std::nullopt);
  CHECK(lines_of(head.snapshot("a")) == std::vector<std::string>{"one", "two"});
  CHECK(lines_of(head.snapshot("b")) == std::vector<std::string>{"three"});
  CHECK(head.snapshot("c").pieces.empty());
}

TEST_CASE("head: an old snapshot does not see what came later, small or large") {
  Head head;
  auto stream = stream_of("a", "x");
  std::string large(100'000, 'L');
  head.add(push_of(stream, {{1, "one"}}), "a", 1, std::nullopt);
  head.add(push_of(stream, {{2, large}}), "a", 2, std::nullopt);
  auto before = head.snapshot("a");
  for (uint64_t i = 3; i < 10'000; ++i)
    head.add(push_of(stream, {{static_cast<int64_t>(i), "later"}}), "a", i, std::nullopt);
  CHECK(lines_of(before) == std::vector<std::string>{"one", large});
  CHECK(lines_of(head.snapshot("a")).size() == 9999);
  CHECK(before.pieces[0].last_frame == 2);
}

TEST_CASE("head: many small pushes of many streams come out as they went in") {
  uint64_t seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  Head head;
  std::map<std::string, std::vector<std::string>> sent;
  for (uint64_t frame = 1; frame <= 3000; ++frame) {
    std::string app = concat("app", random() % 20);
    std::vector<std::pair<int64_t, std::string>> entries;
    for (size_t n = random() % 5 + 1; n-- > 0;)
      entries.emplace_back(static_cast<int64_t>(random() % 1000), std::string(random() % 2000, 'a'));
    for (auto& [time, line] : entries) sent[app].push_back(line);
    head.add(push_of(stream_of("a", app), entries), "a", frame, std::nullopt);
  }
  auto snapshot = head.snapshot("a");
  REQUIRE(snapshot.pieces.size() == 1);
  CHECK(snapshot.pieces[0].streams->size() == sent.size());
  for (const HeadStream& stream : *snapshot.pieces[0].streams)
    CHECK(lines_of(stream) == sent[std::string(*stream.stream->labels().get("app"))]);
}

TEST_CASE("head: a sealed piece stays visible until the catalogue has it") {
  Head head;
  auto stream = stream_of("a", "x");
  BatchNumber number{{1, 2}, 3, 4};
  head.add(push_of(stream, {{1, "one"}}), "a", 7, number);
  auto sealed = head.seal();
  REQUIRE(sealed);
  CHECK(sealed->last_frame == 7);
  CHECK(sealed->entries == 1);
  CHECK(sealed->batches.at({"a", {1, 2}, 3}).contains(4));
  CHECK(head.seal() == sealed);
  CHECK(head.growing_bytes() == 0);
  head.add(push_of(stream, {{2, "two"}}), "a", 8, std::nullopt);
  auto both = head.snapshot("a");
  CHECK(lines_of(both) == std::vector<std::string>{"one", "two"});
  both.drop_flushed(7);  // as a query does when the catalogue's snapshot has the object already
  CHECK(lines_of(both) == std::vector<std::string>{"two"});
  head.drop_sealed();
  CHECK(lines_of(head.snapshot("a")) == std::vector<std::string>{"two"});
  CHECK(head.raw_bytes() == head.growing_bytes());
}

TEST_CASE("batch ranges: an exact set, whatever the order") {
  uint64_t seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  BatchRanges ranges;
  std::vector<bool> plain(200);
  for (int i = 0; i < 300; ++i) {
    uint64_t first = random() % 200, last = std::min<uint64_t>(199, first + random() % 5);
    ranges.add(first, last);
    for (uint64_t n = first; n <= last; ++n) plain[n] = true;
    for (uint64_t n = 0; n < 200; ++n) REQUIRE(ranges.contains(n) == plain[n]);
    for (auto at = ranges.ranges().begin(); std::next(at) != ranges.ranges().end(); ++at)
      REQUIRE(at->second + 1 < std::next(at)->first);
    if (ranges.ranges().size() == 1 && ranges.ranges().begin()->second == 199) break;
  }
  BatchRanges edge;
  edge.add(UINT64_MAX, UINT64_MAX);
  edge.add(UINT64_MAX - 1, UINT64_MAX);
  CHECK(edge.ranges().size() == 1);
  CHECK(edge.contains(UINT64_MAX));
}

TEST_CASE("batch number: the header is read exactly, and malformed ones are named") {
  auto number = parse_batch_number("6f1c0c1e-5a55-4F0e-9a53-3d5f3a3a9c11/7/4211");
  REQUIRE(number);
  CHECK(number->producer.high == 0x6f1c0c1e5a554f0e);
  CHECK(number->producer.low == 0x9a533d5f3a3a9c11);
  CHECK(number->epoch == 7);
  CHECK(number->seq == 4211);
  CHECK(format_batch_number(*number) == "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/7/4211");
  for (std::string_view bad :
       {"", "nonsense", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/1",
        "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c1/1/2", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c1g/1/2",
        "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/-1/2", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/1/",
        "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/1/2 ", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/1/18446744073709551616"}) {
    auto parsed = parse_batch_number(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message.find("X-Skidway-Batch") != std::string::npos);
  }
}

TEST_CASE("batch numbers: a copy waits for the first one's outcome") {
  BatchNumbers numbers;
  BatchNumber number{{1, 2}, 1, 5};
  std::vector<int> told;
  auto waiter = [&] { return BatchNumbers::Waiter([&](const PushAnswer& answer) { told.push_back(answer.status); }); };
  auto claim = [&](std::string_view tenant = "a") {
    auto w = waiter();
    return numbers.claim(tenant, number, w);
  };
  CHECK(claim() == BatchNumbers::Claim::kFirst);
  CHECK(claim() == BatchNumbers::Claim::kWaiting);
  CHECK(claim("b") == BatchNumbers::Claim::kFirst);  // another tenant's number
  numbers.finish("a", number, {503, "disk full", false});
  CHECK(told == std::vector<int>{503});
  CHECK(claim() == BatchNumbers::Claim::kFirst);  // the retry is stored
  CHECK(claim() == BatchNumbers::Claim::kWaiting);
  numbers.finish("a", number, {204, "", true});
  CHECK(told == std::vector<int>{503, 204});
  CHECK(claim() == BatchNumbers::Claim::kStored);
  CHECK(numbers.is_stored("a", number));
  CHECK_FALSE(numbers.is_stored("b", number));
}

TEST_CASE("batch numbers: what the catalogue knows is stored") {
  BatchNumbers numbers;
  std::vector<ProducerRange> ranges{{"a", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11", 3, 10, 20}, {"a", "odd", 1, 1, 1}};
  numbers.add_stored(ranges);
  BatchNumber number = *parse_batch_number("6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/3/15");
  CHECK(numbers.is_stored("a", number));
  number.seq = 21;
  CHECK_FALSE(numbers.is_stored("a", number));
}

TEST_CASE("head: memory from a pool goes back when nobody sees the entries any more") {
  auto pool = std::make_shared<ColumnPool>();
  constexpr size_t kBytes = 100 << 10;
  const auto is_used = [](const ColumnPool::Loan& loan) {
    CHECK(loan.columns.empty());
    return loan.columns.memory_bytes() > loan.text_room + (4 << 10);  // a fresh one has no room for times
  };
  auto push = [&] {
    ColumnPool::Loan loan = pool->take(kBytes);
    PushedEntries out = push_of(stream_of("a", "x"), {});
    for (int64_t time = 1; time < 2000; time += 2) loan.columns.append(time, std::string(60, 'x'));
    out.parts[0].end = 1000, out.parts[0].min_time = 1, out.parts[0].max_time = 1999;
    out.columns = std::move(loan.columns), out.text_room = loan.text_room, out.pool = pool;
    return out;
  };
  Head head;
  head.add(push(), "a", 1, std::nullopt);
  auto snapshot = head.snapshot("a");
  head.seal();
  head.drop_sealed();
  CHECK_FALSE(is_used(pool->take(kBytes)));  // the snapshot still looks at it
  CHECK(lines_of(snapshot).size() == 1000);
  snapshot.pieces.clear();
  CHECK_FALSE(is_used(pool->take(1 << 10)));  // not worth it
  ColumnPool::Loan again = pool->take(kBytes);
  CHECK(is_used(again));
  pool->give(std::move(again));
  CHECK_FALSE(is_used(pool->take(4 * kBytes)));  // too small; and it goes
  CHECK_FALSE(is_used(pool->take(kBytes)));

  head.add(push(), "a", 2, std::nullopt);
  head.seal();
  pool->close();
  head.drop_sealed();
  CHECK_FALSE(is_used(pool->take(kBytes)));
}

TEST_SUITE_END();
