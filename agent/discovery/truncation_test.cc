// Files that become shorter: copytruncate, and writers that begin again.
#include <doctest/doctest.h>
#include <filesystem>

#include "agent/discovery/testing/rotating_host.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
using Host = RotatingHost;
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("rotation: copytruncate while the agent is paused, twice, and down, loses nothing") {
    Host h;
    h.write("one", 50);
    h.start();
    h.drain();
    h.pause();
    auto copytruncate = [&] {
      h.shift(9);
      copy(h.folder, "log/app.log", "log/app.log.1");
      h.folder.truncate("log/app.log");
    };
    h.write("unread", 50);
    h.agent->idle(1s);
    copytruncate();
    h.agent->idle(1s);
    h.write("two", 20);
    SUBCASE("paused, once") {}
    SUBCASE("paused, twice") {
      h.agent->idle(1s);
      copytruncate();
      h.write("three", 5);
    }
    SUBCASE("then killed") {
      h.agent->idle(1s);
      h.kill();
      h.start();
    }
    SUBCASE("then killed, and again while down") {
      h.kill();
      copytruncate();
      h.write("three", 5);
      copytruncate();
      compress(h.folder, "log/app.log.1");
      h.write("four", 5);
      h.start();
    }
    h.agent->idle(1s);
    h.drain();
    h.check_in_any_order();
  }

  TEST_CASE("rotation: a copy whose name is looked for, too, is not read twice; one that is left as it is is a file") {
    Host h(SourceType::kFile, "log/app.log*");
    h.write("one", 50);
    h.start();
    h.drain();
    h.pause();
    h.write("unread", 50);
    h.agent->idle(1s);
    h.folder.append("log/app.log.1", "");  // it begins empty
    h.agent->idle(1s);
    copy(h.folder, "log/app.log", "log/app.log.1");
    h.agent->idle(1s);
    SUBCASE("copytruncate") {
      // Which of them was written to first is to be seen even by a coarse clock.
      std::filesystem::last_write_time(h.folder.at("log/app.log.1"),
                                       std::filesystem::file_time_type::clock::now() - 1min);
      h.folder.truncate("log/app.log");
      h.write("two", 20);
      h.agent->idle(2s);
      SUBCASE("running on") {}
      SUBCASE("renamed and killed") {
        h.folder.rename("log/app.log.1", "log/app.log.2");
        h.agent->idle(1s);
        h.kill();
        h.start();
      }
      h.drain();
      h.check();
      h.kill();
      h.start();
      h.drain();
      h.check();
    }
    SUBCASE("nothing but a copy") {
      h.drain();
      CHECK(h.arrived().size() == 200);
    }
    SUBCASE("another content") {
      h.folder.append("log/app.log.2", "something else that is longer than nothing, and not what the other one has\n");
      for (int i = 0; i < 40; ++i) h.folder.append("log/app.log.2", h.written[0] + "\n");
      h.agent->sinks[0]->full = false;
      h.agent->idle(1s);
      h.agent->sinks[0]->deliver_all();
      CHECK(h.arrived().size() == 141);  // without suspicion
    }
  }

  TEST_CASE("rotation: a file truncated and grown beyond its old size between two looks is read from its beginning") {
    Host h;
    h.write("one", 20);
    h.start();
    h.drain();
    h.folder.truncate("log/app.log");
    h.write("two", 40);
    h.drain();
    h.check();
    CHECK(h.counts("skidway_agent_source_truncations_total{source=\"host\"} 1"));
  }

  TEST_CASE("rotation: a writer that keeps its place in a truncated file leaves a hole, which is no line") {
    Host h;
    h.write("one", 2000);
    h.start();
    h.drain();
    h.folder.truncate("log/app.log");
    int fd = ::open(h.folder.at("log/app.log").c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(::pwrite(fd, "behind the hole\n", 16, 120'000) == 16);
    ::close(fd);
    h.written.push_back("behind the hole");
    h.drain();
    h.check();
  }
}
