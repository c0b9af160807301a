#include <doctest/doctest.h>
#include <set>

#include "server/ingest/testing/ingest_house.h"
#include "server/ingest/wal_frame.h"

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

TEST_CASE("ingest: after a crash entries have the levels they had, also where the log lost what it knew of them") {
  IngestHouse house;
  REQUIRE(
      house.push(body_of("a", {"an error", "info: all is well", "nothing", "{\\\"level\\\":\\\"dbg\\\"}"})).status ==
      204);
  auto levels = [&] {
    std::vector<std::string> out;
    auto view = house.ingest->view("fake");
    for (const HeadPiece& piece : view->head.pieces)
      for (const HeadStream& stream : *piece.streams)
        for (const HeadRun& run : stream.runs)
          for (size_t i = 0; i < run.entries.size(); ++i)
            out.emplace_back(run.entries.metadata(i).find("detected_level").value_or(""));
    return out;
  };
  const std::vector<std::string> wanted{"error", "info", "unknown", "debug"};
  CHECK(levels() == wanted);
  house.crash();
  CHECK(levels() == wanted);
  house.files.cut_power_at(house.files.operations());
  house.ingest.reset();
  house.store.reset();
  house.files.restart();
  const std::string path = concat("/data/wal/", (*house.files.list("/data/wal"))[0]);
  std::string bytes = *(*house.files.open_to_read(path))->read(0, 1 << 20);
  const size_t at = bytes.find("SKWL");
  REQUIRE(at != bytes.npos);
  bytes[at + kWalLevelsHeaderBytes] ^= 1;
  REQUIRE(house.files.remove(path));
  REQUIRE((*house.files.create(path))->append(bytes));
  house.open();
  CHECK(levels() == wanted);
}

TEST_SUITE_END();
