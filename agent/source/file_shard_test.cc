#include "agent/source/file_shard.h"

#include <doctest/doctest.h>

#include "agent/source/testing/one_shard.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

TEST_SUITE("agent/source") {
  TEST_CASE("source: nothing is read before the first scan is complete") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.settle();
    CHECK(s.delivered().empty());
    s.start();
    s.settle();
    CHECK(s.delivered() == Lines{"one"});
  }

  TEST_CASE("source: a file that is written to is read every quarter of a second") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.folder.append("a", "two\nthr");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two"});
    s.folder.append("a", "ee\n");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two", "three"});
  }

  TEST_CASE("source: a quiet file costs nothing, and its next line is seen") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.start();
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);  // nobody polls
    auto rest = s.shard->turn();
    REQUIRE(rest.has_value());
    CHECK(*rest > 1s);
    s.folder.append("a", "two\n");
    s.settle();  // the watch tells; we look a moment later
    CHECK(s.shard->watch_fd() == -1);
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two"});
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);
  }

  TEST_CASE("source: a rotated file is read to its end before its successor") {
    Shard s;
    s.start();
    s.folder.append("a", "1\n2\n");
    InodeKey first = s.offer("a", "a");
    s.settle();
    s.sink().full = true;
    s.folder.append("a", "3\n");
    s.pass(250ms);
    s.folder.append("a", "4\n");  // not yet looked at when it is renamed
    s.folder.rename("a", "a.1");
    s.folder.append("a", "5\n");
    s.shard->rotated(first);
    s.offer("a", "a");
    s.folder.append("a.1", "4b\n");  // and the writer still writes there
    s.settle();
    CHECK(s.delivered() == Lines{"1", "2"});
    s.sink().full = false;
    s.pass(500ms);
    CHECK(s.delivered() == Lines{"1", "2", "3", "4", "4b", "5"});
    s.folder.append("a.1", "late\n");  // after the successor was begun: late, but not lost
    s.pass(250ms);
    CHECK(s.delivered().back() == "late");
  }

  TEST_CASE("source: two rotations while the sink is full lose nothing and keep the order") {
    Shard s;
    s.start();
    s.sink().full = true;
    Lines want;
    InodeKey before{};
    for (int i = 0; i < 3; ++i) {
      s.folder.append("a", std::to_string(i) + "\n");
      want.push_back(std::to_string(i));
      InodeKey key = s.offer("a", "a");
      s.pass(250ms);
      if (i > 0) s.folder.remove("old" + std::to_string(i - 1)), s.shard->gone(before);
      s.folder.rename("a", "old" + std::to_string(i));
      s.shard->rotated(key);
      before = key;
    }
    s.pass(30s);
    CHECK(s.finished.empty());  // gone, but not read
    s.sink().full = false;
    s.pass(500ms);
    CHECK(s.delivered() == want);
    s.pass(11s);
    CHECK(s.finished.size() == 2);
  }

  TEST_CASE("source: a deleted file is read to its end, with its last line, and then let go") {
    Shard s;
    s.start();
    s.folder.append("a", "one\ntwo\nrest");
    InodeKey key = s.offer("a", "a");
    s.folder.remove("a");
    s.shard->gone(key);
    s.pass(1s);
    CHECK(s.delivered() == Lines{"one", "two"});
    CHECK(s.finished.empty());
    s.pass(11s);
    CHECK(s.delivered() == Lines{"one", "two", "rest"});
    CHECK(s.finished == std::vector<InodeKey>{key});
    REQUIRE(s.ledger->endings().size() == 1);
    CHECK(s.ledger->endings()[0].second == 12);
    CHECK(s.shard->progress().empty());
  }

  TEST_CASE("source: the unfinished last line of a rotated file is delivered after a silence; the file stays open") {
    Shard s;
    s.start();
    s.folder.append("a", "one\nrest");
    InodeKey key = s.offer("a", "a");
    s.pass(20s);
    CHECK(s.delivered() == Lines{"one"});  // not rotated: its writer may complete it
    s.folder.rename("a", "a.1");
    s.shard->rotated(key);
    s.pass(11s);
    CHECK(s.delivered() == Lines{"one", "rest"});
    CHECK(s.finished.empty());
    s.pass(6s);
    s.folder.append("a.1", "more\n");
    s.settle();
    s.pass(500ms);
    CHECK(s.delivered() == Lines{"one", "rest", "more"});
  }

  TEST_CASE("source: a truncated file is read from its beginning, as another file") {
    Shard s;
    s.start();
    s.folder.append("a", "one\ntwo\nthree\n");
    s.offer("a", "a");
    s.settle();
    s.folder.truncate("a");
    s.pass(250ms);
    s.folder.append("a", "four\n");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two", "three", "four"});
    CHECK(s.disk.files.size() == 2);
    CHECK(s.metrics.render().find("skidway_agent_source_truncations_total{source=\"test\"} 1") != std::string::npos);
  }

  TEST_CASE("source: quiet files are looked at now and then all the same") {
    Shard s;
    s.start();
    for (const char* name : {"a", "b", "c"}) {
      s.folder.append(name, "one\n");
      s.offer(name, name);
    }
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);
    for (const char* name : {"a", "b", "c"}) s.folder.truncate(name);
    s.clock.advance(20s);
    s.settle();
    s.pass(1s);
    CHECK(s.disk.files.size() == 6);  // three truncations
  }

  TEST_CASE("source: the series of a path end with its last file") {
    Shard s;
    s.start();
    s.folder.append("a", "one\n");
    InodeKey key = s.offer("a", "a");
    s.settle();
    CHECK(s.metrics.render().find("promtail_read_lines_total{path=\"" + s.folder.at("a") + "\",source=\"test\"} 1") !=
          std::string::npos);
    s.folder.remove("a");
    s.shard->gone(key);
    s.pass(11s);
    CHECK(s.metrics.render().find("promtail_read_lines_total{") == std::string::npos);
  }

  TEST_CASE("source: when descriptors are scarce, files quiet for a minute are closed, least recent first") {
    Shard s;
    s.start();
    for (int i = 0; i < 15; ++i) {
      std::string name = "f" + std::to_string(i);
      s.folder.append(name, "one of " + name + "\n");
      s.offer(name, name);
      s.pass(1s);
    }
    auto open_now = [&] {
      std::string open;
      s.shard->found().for_each([&](FileId, const FoundFile& file) { open += file.handle->is_open() ? "o" : "-"; });
      return open;
    };
    s.pass(44s);
    CHECK(open_now() == "ooooooooooooooo");
    s.pass(3s);
    CHECK(open_now() == "-oooooooooooooo");
    s.pass(10s);
    CHECK(open_now() == "-oooooooooooooo");  // enough for the moment
    s.folder.append("f0", "two of f0\n");
    s.pass(2s);
    CHECK(open_now() == "o-ooooooooooooo");
    CHECK(s.delivered().size() == 16);
  }

  TEST_CASE("source: without a descriptor left, more files than that are read one after another") {
    Shard s;
    std::vector<std::string> want;
    for (int i = 0; i < 40; ++i) {
      std::string name = "f" + std::to_string(i);
      s.folder.append(name, "one of " + name + "\n");
      want.push_back("one of " + name);
      s.offer(name, name, true);
    }
    CHECK(s.open_files.open() == 0);
    s.start();
    s.pass(2s);
    CHECK(s.open_files.open() <= 16);
    CHECK(s.delivered() == want);
  }

  TEST_CASE("source: a file closed and then truncated and written again is read from its beginning") {
    Shard s;
    s.start();
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.pass(1s);
    s.shard->found().for_each([](FileId, const FoundFile& file) { REQUIRE(file.handle->park()); });
    s.folder.truncate("a");
    s.folder.append("a", "two and more\n");
    s.pass(11s);
    CHECK(s.delivered() == std::vector<std::string>{"one", "two and more"});
  }

  TEST_CASE("source: what was not read of a file that was deleted while it was closed is counted as lost") {
    Shard s;
    s.folder.append("a", "one\n");
    InodeKey key = s.offer("a", "a", true);
    s.folder.remove("a");
    s.start();
    s.shard->gone(key);
    s.pass(11s);
    CHECK(s.finished == std::vector<InodeKey>{key});
    CHECK(s.metrics
              .counter("skidway_agent_source_lost_bytes_total",
                       "Bytes of unacknowledged batches that could not be read again after a restart.",
                       {{"source", "test"}})
              .value() == 4);
  }

  TEST_CASE("source: a backlog in one file does not starve another") {
    Shard s;
    s.start();
    s.sink().close_at_entries = 1'000'000;
    std::string line(99, 'x');
    std::string big;
    while (big.size() < 4 << 20) big += line + "\n";
    s.folder.append("a", big);
    s.folder.append("b", "small\n");
    s.offer("a", "a");
    s.offer("b", "b");
    s.shard->turn();
    auto progress = s.shard->progress();
    REQUIRE(progress.size() == 2);
    CHECK(progress[0].read_bytes < big.size());
    CHECK(progress[1].read_bytes == 6);
    s.settle();
    CHECK(s.delivered().size() == big.size() / 100 + 1);
    CHECK(s.metrics.render().find("skidway_agent_source_lag_bytes{source=\"test\"} 0") != std::string::npos);
  }

  TEST_CASE("source: read times rise strictly, also when the clock goes back") {
    Shard s;
    s.start();
    s.folder.append("a", "1\n2\n3\n");
    s.offer("a", "a");
    s.settle();
    s.clock.jump_wall(-1h);
    s.folder.append("a", "4\n");
    s.folder.append("b", "5\n");
    s.offer("b", "b");
    s.pass(250ms);
    s.delivered();
    auto entries = s.server.entries();
    REQUIRE(entries.size() == 5);
    for (size_t i = 1; i < 5; ++i) CHECK(entries[i].time > entries[i - 1].time);
  }

  TEST_CASE("source: too much memory in use stops reading until it is released") {
    Shard s;
    s.start();
    s.memory.add(1 << 30);
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.pass(1s);
    CHECK(s.delivered().empty());
    s.memory.release(1 << 30);
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one"});
  }
}
