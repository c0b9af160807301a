#include <doctest/doctest.h>
#include <thread>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

TEST_CASE("ingest: an entry is visible once, from its 204 on, before and after the flush and a restart") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"one", "two"})).status == 204);
  Lines wanted{{"one", 1}, {"two", 1}};
  CHECK(house.lines() == wanted);
  CHECK(house.lines("other").empty());
  house.crash();
  CHECK(house.lines() == wanted);
  REQUIRE(house.flush());
  CHECK(house.lines() == wanted);
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  house.crash();
  CHECK(house.lines() == wanted);
  house.restart();
  CHECK(house.lines() == wanted);
}

TEST_CASE("ingest: stopping flushes, and leaves no log that counts") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  house.restart();
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  CHECK(house.lines() == Lines{{"one", 1}});
  CHECK(house.files.list("/data/wal")->empty());
}

TEST_CASE("ingest: a full disk answers 503, acknowledges nothing, and recovers") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"before"})).status == 204);
  house.files.fill_disk_after(50);
  auto answer = house.push(body_of("x", {"refused"}));
  CHECK(answer.status == 503);
  CHECK_FALSE(answer.headers.get("Retry-After").empty());
  CHECK(house.ingest->trouble());
  CHECK(house.lines() == Lines{{"before", 1}});
  CHECK_FALSE(house.flush());  // no room for the object either: it stays in the head
  CHECK(house.lines() == Lines{{"before", 1}});
  house.files.fill_disk_after(1 << 30);
  CHECK(house.push(body_of("x", {"after"})).status == 204);
  REQUIRE(house.flush());
  CHECK(house.lines() == Lines{{"after", 1}, {"before", 1}});
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  house.crash();
  CHECK(house.lines() == Lines{{"after", 1}, {"before", 1}});
}

TEST_CASE("ingest: a power cut at any operation keeps what was acknowledged, once") {
  for (uint64_t n = 0;; ++n) {
    CAPTURE(n);
    IngestHouse house;
    house.files.cut_power_at(house.files.operations() + n);
    Lines sent, acknowledged;
    auto push = [&](int i) {
      std::string line = concat("line ", i);
      sent[line] = 1;
      std::string number = i % 2 == 0 ? concat(kProducer, "/1/", i) : "";
      if (house.push(body_of("x", {line}, 1'700'000'000'000'000'000 + i), number).status == 204) acknowledged[line] = 1;
    };
    for (int i = 0; i < 2; ++i) push(i);
    bool flushed = house.flush().has_value();
    for (int i = 2; i < 4; ++i) push(i);
    flushed = house.flush() && flushed;
    push(4);
    bool done = !house.files.power_is_off();
    house.crash(n);
    Lines found = house.lines();
    for (auto& [line, times] : acknowledged) CHECK(found[line] == 1);
    for (auto& [line, times] : found) CHECK(sent[line] == times);
    // Senders try again what was not acknowledged; numbered or not, the outcome is the same after the flush's dedup.
    for (int i = 0; i < 5; i += 2)
      CHECK(house.push(body_of("x", {concat("line ", i)}), concat(kProducer, "/1/", i)).status == 204);
    REQUIRE(house.flush());
    found = house.lines();
    for (int i = 0; i < 5; i += 2) CHECK(found[concat("line ", i)] == 1);
    if (done) {
      CHECK(flushed);
      return;
    }
  }
}

TEST_CASE("ingest: equal entries of one flush are one, and counted") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"same", "other"})).status == 204);
  CHECK(house.push(body_of("x", {"same"})).status == 204);
  REQUIRE(house.flush());
  CHECK(house.lines() == Lines{{"other", 1}, {"same", 1}});
  CHECK(house.counted("skidway_server_dropped_entries_total", {{"reason", "duplicate"}}) == 1);
}

TEST_CASE("ingest: entries of many streams, tenants and orders of time come out of the object") {
  IngestHouse house;
  Lines wanted;
  for (int i = 0; i < 200; ++i) {
    std::string line = concat("line ", i);
    wanted[line] = 1;
    std::string tenant = i % 3 == 0 ? "b" : "a";
    CHECK(house.push(body_of(concat("app", i % 7), {line}, 1'700'000'000'000'000'000 - (i * 7919) % 100), "", tenant)
              .status == 204);
  }
  REQUIRE(house.flush());
  Lines found = house.lines("a");
  found.merge(house.lines("b"));
  CHECK(found == wanted);
}

TEST_CASE("ingest: views taken while pushes and flushes go on see each entry exactly once") {
  IngestHouse house;
  std::atomic<int> acknowledged{0};
  std::atomic<bool> stop{false};
  bool lost = false, doubled = false;
  std::thread reader([&] {
    while (!stop) {
      int at_least = acknowledged;
      for (auto& [line, times] : house.lines()) {
        if (times != 1) doubled = true;
        if (line != "") --at_least;
      }
      if (at_least > 0) lost = true;
    }
  });
  for (int i = 0; i < 150; ++i) {
    CHECK(house.push(body_of("x", {concat("line ", i)}, 1'700'000'000'000'000'000 + i)).status == 204);
    ++acknowledged;
    if (i % 10 == 9) REQUIRE(house.flush());
  }
  stop = true;
  reader.join();
  CHECK_FALSE(lost);
  CHECK_FALSE(doubled);
}

TEST_SUITE_END();
