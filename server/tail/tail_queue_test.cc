#include "server/tail/tail_queue.h"

#include <doctest/doctest.h>
#include <random>

#include "pipeline/base/concat.h"

using namespace server;

namespace {

TailEntry entry(int64_t time, std::string text) { return {time, std::move(text), 0, 1}; }

std::string taken(TailQueue& queue, int64_t until) {
  std::string out;
  for (const TailEntry& e : queue.take(until)) out += e.text;
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("server/tail");

TEST_CASE("tail queue: entries come in the order of time, equal ones as they arrived, when their time has passed") {
  TailQueue queue(1 << 20);
  for (auto [time, text] : {std::pair(5, "c"), {3, "a"}, {5, "d"}, {9, "f"}, {3, "b"}, {8, "e"}})
    queue.push(entry(time, text));
  CHECK(queue.next_time() == 3);
  CHECK(taken(queue, 3) == "");
  CHECK(taken(queue, 8) == "abcd");
  CHECK(queue.next_time() == 8);
  CHECK(taken(queue, 100) == "ef");
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
}

TEST_CASE("tail queue: the history goes first, whatever the times") {
  TailQueue queue(1 << 20);
  queue.push(entry(1, "live"));
  queue.push_history({entry(50, "h1 "), entry(60, "h2 ")});
  CHECK(taken(queue, 2) == "h1 h2 live");
}

TEST_CASE("tail queue: a frame has at most 100 entries and about a megabyte") {
  TailQueue queue(64 << 20);
  for (int i = 0; i < 150; ++i) queue.push(entry(i, "x"));
  CHECK(queue.take(1000).size() == 100);
  CHECK(queue.take(1000).size() == 50);
  for (int i = 0; i < 10; ++i) queue.push(entry(i, std::string(400'000, 'x')));
  CHECK(queue.take(1000).size() == 3);
}

TEST_CASE("tail queue: what does not fit is dropped and remembered, the latest thousand of it") {
  TailQueue queue(2 * (10 + sizeof(TailEntry)));
  CHECK(queue.push(entry(1, "{123456789")));
  CHECK(queue.push(entry(2, "{123456789")));
  for (int i = 0; i < 1500; ++i) CHECK_FALSE(queue.push(entry(10 + i, "{123456789")));
  CHECK(queue.take(100).size() == 2);
  CHECK(queue.push(entry(3, "room again")));
  const auto dropped = queue.take_dropped();
  REQUIRE(dropped.size() == 1000);
  CHECK(dropped.front().time == 510);
  CHECK(dropped.front().labels == "{");
  CHECK(queue.take_dropped().empty());
}

TEST_CASE("tail queue: agrees with a sorted list on random entries") {
  const uint32_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TailQueue queue(1 << 30);
  std::vector<std::pair<int64_t, std::string>> plain;
  for (int i = 0; i < 2000; ++i) {
    const int64_t time = random() % 100;
    plain.emplace_back(time, pipeline::concat(i));
    queue.push(entry(time, plain.back().second));
  }
  std::stable_sort(plain.begin(), plain.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t at = 0;
  while (!queue.empty()) {
    for (const TailEntry& e : queue.take(1000)) CHECK(e.text == plain.at(at++).second);
  }
  CHECK(at == plain.size());
}

TEST_SUITE_END();
