#include <doctest/doctest.h>
#include <set>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

namespace {

// A house whose log is large for its memory: it is replayed behind its back.
struct RecoveryHouse : IngestHouse {
  Lines wanted;
  int sent = 0;

  RecoveryHouse() {
    options.push.budget_bytes = 1 << 20;
    options.replay_wait = 10s;
    restart();
  }
  void push_some(int count) {
    for (int i = 0; i < count; ++i, ++sent) {
      std::string line = concat("line ", sent, " ", std::string(2'000, 'x'));
      std::string number = sent % 2 == 0 ? concat(kProducer, "/1/", sent) : "";
      CHECK(push(body_of("x", {line}, 1'700'000'000'000'000'000 + sent), number).status == 204);
      wanted[line] = 1;
    }
  }
  void wait_until_stored() {
    while (!flush() || !ingest->view("fake")->head.pieces.empty()) loop->turn(10ms);
  }
};

}  // namespace

TEST_CASE("ingest: a large log is replayed while pushes go on, and nothing is lost or doubled") {
  RecoveryHouse house;
  house.push_some(200);
  house.crash();
  CHECK(house.lines() == house.wanted);
  house.push_some(50);
  house.wait_until_stored();
  CHECK(house.lines() == house.wanted);
  CHECK_FALSE(house.ingest->replay_progress());
  CHECK(house.ingest->view("fake")->incomplete.empty());
  house.restart();
  CHECK(house.lines() == house.wanted);
  CHECK(house.files.list("/data/wal")->empty());
}

TEST_CASE(
    "ingest: while the log is replayed views say what they lack, and a flush of what came since forgets nothing") {
  RecoveryHouse house;
  house.push_some(200);
  house.options.replay_wait = 0ms;
  house.crash();
  auto view = house.ingest->view("fake");
  if (house.ingest->replay_progress()) CHECK_FALSE(view->incomplete.empty());
  house.push_some(20);
  (void)house.flush();
  for (int round = 0; round < 3; ++round) {
    house.crash();  // in the midst of it
    house.push_some(10);
  }
  house.options.replay_wait = 10s;
  house.crash();
  std::set<std::string> found, wanted;
  for (const auto& [line, times] : house.lines()) found.insert(line);  // equal entries may repeat: queries drop them
  for (const auto& [line, times] : house.wanted) wanted.insert(line);
  CHECK(found == wanted);
  house.wait_until_stored();
  found.clear();
  for (const auto& [line, times] : house.lines()) found.insert(line);
  CHECK(found == wanted);
}

TEST_SUITE_END();
