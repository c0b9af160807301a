// Deleted files: how long they are kept open, and which are given up first.
#include <doctest/doctest.h>
#include <filesystem>

#include "agent/discovery/testing/rotating_host.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
using Host = RotatingHost;

size_t open_files(Host& h) { return h.agent->shard().progress().size(); }
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("deletion: unread deleted files are held up to hold_deleted_bytes, and the oldest lost first, by name") {
    Host h;
    pipeline::Registry gauges;
    auto deleted = std::make_shared<DeletedFiles>(25'000, gauges);
    h.reader_options.deleted = deleted;
    h.start();
    h.pause();
    for (const char* name : {"a", "b", "c", "d"}) {
      const std::string path = std::string("log/") + name + ".log";
      for (int i = 0; i < 100; ++i) h.folder.append(path, std::string(99, *name) + "\n");  // 10,000 bytes
      h.agent->idle(500ms);
      h.folder.remove(path);
      h.agent->idle(500ms);
    }
    CHECK(open_files(h) == 2);
    for (const char* name : {"a", "b"}) {
      CHECK(h.counts("skidway_agent_file_lost_bytes_total{path=\"" + h.folder.at(std::string("log/") + name) +
                     ".log\",reason=\"hold_deleted_bytes\",source=\"host\"} 10000"));
    }
    CHECK(h.counts("skidway_agent_source_released_files_total{source=\"host\"} 2"));
    CHECK(h.agent->ledger().losses[{0, "read:hold_deleted_bytes"}] == 20'000);
    CHECK(gauges.render().find("skidway_agent_source_deleted_unread_bytes 20000") != std::string::npos);
    SUBCASE("what is held arrives") {
      h.drain();
      auto arrived = h.arrived();
      CHECK(arrived.size() == 200);
      CHECK(arrived.front()[0] == 'c');
      CHECK(open_files(h) == 0);
      CHECK(gauges.render().find("skidway_agent_source_deleted_unread_bytes 0") != std::string::npos);
    }
    SUBCASE("a lower limit counts at once") {
      deleted->set_limit(10'000);
      h.agent->idle(1s);
      CHECK(open_files(h) == 1);
      deleted->set_limit(0);
      h.agent->idle(1s);
      CHECK(open_files(h) == 0);
    }
  }

  TEST_CASE("deletion: a file that was read, or is still there under another name, is never given up") {
    Host h;
    pipeline::Registry gauges;
    h.reader_options.deleted = std::make_shared<DeletedFiles>(0, gauges);
    h.start();
    h.write("one", 10);
    h.drain();
    h.folder.remove("log/app.log");
    h.agent->idle(500ms);
    h.pause();
    h.write("two", 10);
    h.agent->idle(500ms);
    h.folder.make("old");
    h.folder.rename("log/app.log", "old/app.log");  // out of sight
    h.agent->idle(5s);
    h.drain();
    h.check();
    CHECK(h.counts("skidway_agent_source_released_files_total{source=\"host\"} 0"));
  }

  TEST_CASE("deletion: a daemon that goes on writing to its deleted log for hours loses nothing") {
    Host h;
    h.write("one", 10);
    h.start();
    h.drain();
    int fd = ::open(h.folder.at("log/app.log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    h.folder.remove("log/app.log");
    auto add = [&](const std::string& bytes) {
      REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    };
    for (int hour = 0; hour < 3; ++hour) {
      h.clock.advance(1h);
      h.agent->idle(15s);
      h.written.push_back("hour " + std::to_string(hour));
      add(h.written.back() + "\n");
      h.agent->idle(2s);
    }
    add("the last, without a newline");
    h.agent->idle(30s);
    h.agent->sinks[0]->deliver_all();
    h.check();  // its writer may complete the line
    CHECK(open_files(h) == 1);
    ::close(fd);
    h.written.push_back("the last, without a newline");
    h.drain();
    h.check();
    CHECK(open_files(h) == 0);
  }

  TEST_CASE("deletion: the unfinished last line of a rotated file waits for its writer") {
    Host h;
    int fd = ::open(h.folder.at("log/app.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    REQUIRE(::write(fd, "begin ", 6) == 6);
    h.start();
    h.agent->idle(1s);
    h.folder.rename("log/app.log", "log/app.log.1");
    h.agent->idle(60s);
    REQUIRE(::write(fd, "end\n", 4) == 4);
    ::close(fd);
    h.written = {"begin end"};
    h.drain();
    h.check();
  }

  TEST_CASE("deletion: a file found in a folder that nobody watches is let go when it is deleted") {
    Host h(SourceType::kFile, "containers/*.log");
    h.folder.make("containers"), h.folder.make("docker");
    std::filesystem::create_symlink("../docker/id.log", h.folder.at("containers/x.log"));
    h.write("one", 10, "docker/id.log");
    h.start();
    h.drain();
    h.kill();
    h.folder.rename("docker/id.log", "docker/id.log.1");
    h.write("two", 10, "docker/id.log");
    h.start();
    h.drain();
    CHECK(open_files(h) == 2);
    h.folder.remove("docker/id.log.1");
    h.drain();
    CHECK(open_files(h) == 1);
    h.check();
  }
}
