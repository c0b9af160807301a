#include <doctest/doctest.h>
#include <filesystem>

#include "agent/discovery/testing/rotating_host.h"
#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
using Lines = RotatingHost::Lines;
using Host = RotatingHost;
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("rotation: a file compressed while the agent was down is read on from where it was") {
    Host h;
    h.write("one", 100);
    h.start();
    h.drain();
    h.write("more", 50);
    h.kill();
    h.write("unread", 50);
    h.folder.rename("log/app.log", "log/app.log.1");
    compress(h.folder, "log/app.log.1");
    h.write("two", 10);
    h.start();
    h.drain();
    h.check();
    h.kill();
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: unacknowledged batches are built again from a file that was compressed since") {
    Host h;
    h.write("one", 100);
    h.start();
    h.read_unacked();
    CHECK(h.arrived().empty());
    h.kill();
    h.write("two", 100);
    h.folder.rename("log/app.log", "log/app.log-20261121");
    compress(h.folder, "log/app.log-20261121");
    h.start();
    h.drain();
    CHECK(h.servers[0].batches.begin()->first.epoch == 1);
    h.check();
  }

  TEST_CASE("rotation: three rotations while the agent was down, two of them compressed, lose nothing") {
    Host h;
    h.write("one", 30);
    h.start();
    h.drain();
    h.kill();
    h.write("one again", 10);
    for (int i = 0; i < 3; ++i) {  // delaycompress: what was the first before is compressed now
      if (i > 0) compress(h.folder, "log/app.log.1");
      h.shift(5);
      h.folder.rename("log/app.log", "log/app.log.1");
      h.write("after " + std::to_string(i), 10);
    }
    h.start();
    h.drain();
    h.check();
    h.kill();
    h.write("end", 1);
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE(
      "rotation: a file that was seen only empty, then written to and compressed while the agent was down, is read") {
    Host h;
    const pipeline::UnixNanos hour = 3'600'000'000'000, now = pipeline::SystemClock().wall();
    h.folder.append("log/app.log.2", "very old\n");
    compress(h.folder, "log/app.log.2");
    h.folder.set_modified("log/app.log.2.gz", now - 2 * hour);
    h.folder.append("log/app.log", "");
    h.start();
    h.drain();
    h.kill();
    h.disk.last_written = now - hour;
    h.write("one", 20);
    h.folder.rename("log/app.log", "log/app.log.1");
    h.write("two", 10);
    SUBCASE("compressed") { compress(h.folder, "log/app.log.1"); }
    SUBCASE("copied, as by a move across file systems") {
      std::filesystem::copy_file(h.folder.at("log/app.log.1"), h.folder.at("log/copy"));
      h.folder.rename("log/copy", "log/app.log.1");
    }
    h.start();
    h.drain();
    h.check();
    h.kill();
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: old rotations that were there before the agent came are not read") {
    Host h;
    h.folder.append("log/app.log.2", "very old\n");
    compress(h.folder, "log/app.log.2");
    h.folder.append("log/app.log.1", "old\n");
    h.write("one", 10);
    h.start();
    h.drain();
    h.kill();
    h.write("unread", 3);
    h.shift(5);
    h.folder.rename("log/app.log", "log/app.log.1");
    h.write("two", 3);
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: a compressed file is not read beside the one we still have open") {
    Host h;
    h.write("one", 50);
    h.start();
    h.drain();
    h.pause();
    h.write("unread", 50);
    h.agent->idle(1s);
    h.folder.rename("log/app.log", "log/app.log.1");
    h.agent->idle(1s);
    compress(h.folder, "log/app.log.1");
    h.write("two", 10);
    h.agent->idle(30s);
    h.drain();
    h.check();
    h.kill();
    h.start();  // it was finished, its record is still there: nothing comes twice
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: a compressed file whose original was open when the agent was killed is read from there") {
    Host h;
    h.write("one", 50);
    h.start();
    h.drain();
    h.pause();
    h.write("unread", 50);
    h.agent->idle(1s);
    h.folder.rename("log/app.log", "log/app.log.1");
    compress(h.folder, "log/app.log.1");
    h.write("two", 10);
    h.agent->idle(1s);
    h.kill();
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: a new file at the inode of an old one is read from its beginning") {
    Host h;
    h.write("one", 30);
    h.start();
    h.drain();
    h.kill();
    h.folder.truncate("log/app.log");  // the same inode for certain
    h.write("two", 60);
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: hard links are one file, whichever of its names goes") {
    Host h;
    h.write("one", 10);
    std::filesystem::create_hard_link(h.folder.at("log/app.log"), h.folder.at("log/other.log"));
    h.start();
    h.drain();
    h.folder.remove("log/app.log");
    h.write("two", 10, "log/other.log");
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: a file replaced by a folder is read to its end, files in the folder are new") {
    Host h(SourceType::kFile, "log/**/*.log");
    h.write("one", 10);
    h.start();
    h.agent->idle(1s);
    h.write("unread", 5);
    h.folder.remove("log/app.log");
    h.folder.make("log/app.log");
    h.agent->idle(1s);
    h.write("inside", 5, "log/app.log/x.log");
    h.drain();
    h.check();
    std::filesystem::remove_all(h.folder.at("log/app.log"));
    h.write("a file again", 5);
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: names may have any bytes") {
    Host h;
    const Lines names = {"log/\xff\xfe.log",  "log/new\nline.log", "log/ space \t.log",
                         "log/'\"\\$*?[.log", "log/-rf.log",       "log/\xe2\x82\xac.log"};
    for (const std::string& name : names) h.write("one", 5, name);
    h.start();
    h.drain();
    h.kill();
    for (const std::string& name : names) {
      h.write("unread", 5, name);
      h.folder.rename(name, name + ".1");
      compress(h.folder, name + ".1");
      h.write("two", 5, name);
    }
    h.start();
    h.drain();
    h.check_in_any_order();
  }

  TEST_CASE("rotation: through links a file is followed where it is rotated, agent up or down") {
    Host h(SourceType::kFile, "containers/*.log");
    h.folder.make("containers"), h.folder.make("pods"), h.folder.make("docker");
    std::filesystem::create_symlink("../docker/id.log", h.folder.at("pods/0.log"));
    std::filesystem::create_symlink(h.folder.at("pods/0.log"), h.folder.at("containers/x.log"));
    h.write("one", 10, "docker/id.log");
    h.start();
    h.drain();
    h.write("up", 5, "docker/id.log");
    h.folder.rename("docker/id.log", "docker/id.log.1");
    h.write("two", 5, "docker/id.log");
    h.agent->scan();
    h.drain();
    h.check();
    h.kill();
    h.write("down", 5, "docker/id.log");
    compress(h.folder, "docker/id.log.1", "docker/id.log.2.gz");
    h.folder.rename("docker/id.log", "docker/id.log.1");
    h.write("three", 5, "docker/id.log");
    SUBCASE("not compressed") {}
    SUBCASE("compressed") { compress(h.folder, "docker/id.log.1"); }
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: a compressed file that is damaged gives what stands before, and is counted") {
    Host h;
    h.write("one", 5000);
    h.start();
    h.agent->idle(1s);
    h.kill();
    std::string packed = pipeline::gzip_compress(content_of(h.folder.at("log/app.log")));
    h.folder.remove("log/app.log");
    h.folder.append("log/app.log.1.gz", packed.substr(0, packed.size() / 2));
    h.write("two", 5);
    h.disk.sinks[0].positions.begin()->second.position = h.written[0].size() + 1;
    h.start();
    h.drain();
    auto arrived = h.arrived();
    CHECK(arrived.size() > 1000);
    CHECK(arrived.size() < 4900);
    CHECK(arrived.front() == h.written[1]);
    CHECK(arrived[arrived.size() - 2] == h.written.back());  // the torn last line comes when all hope is gone
    CHECK(h.counts("skidway_agent_source_broken_gzip_files_total{source=\"host\"} 1"));
    CHECK(h.agent->shard().progress().size() == 1);  // it was let go
  }

  TEST_CASE("rotation: a source whose folder is away at the start is read on when it comes, rotated files too") {
    Host h;
    h.write("one", 10);
    h.start();
    h.drain();
    h.kill();
    h.write("unread", 10);
    h.folder.rename("log/app.log", "log/app.log.1");
    compress(h.folder, "log/app.log.1");
    h.write("two", 10);
    h.folder.rename("log", "away");
    h.start();
    h.drain();
    h.folder.rename("away", "log");
    h.agent->scan();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: with start_at = end the successor of a file that was read is read from its beginning") {
    Host h;
    h.options().start_at = StartAt::kEnd;
    h.folder.append("log/app.log", "before\n");
    h.start();
    h.drain();
    h.write("one", 5);
    h.drain();
    h.kill();
    h.folder.rename("log/app.log", "log/app.log.1");
    h.write("two", 5);
    h.folder.append("log/stranger.log", "not known: from its end\n");
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("rotation: compressed files are no logs, whatever the pattern says") {
    Host h(SourceType::kFile, "log/*");
    h.write("one", 5);
    h.folder.append("log/app.log.7", "seven\n");
    compress(h.folder, "log/app.log.7");
    h.start();
    h.drain();
    h.check();
    auto targets = h.agent->table().targets();
    REQUIRE(targets.size() == 2);
    CHECK(targets[1].state == "dropped");
    CHECK(targets[1].reason.starts_with("compressed"));
  }

  TEST_CASE("rotation: ten rotations a second, compressed at once, with a paused and a running agent") {
    Host h;
    h.write("start", 1);
    h.start();
    h.drain();
    for (int round = 0; round < 40; ++round) {
      if (round == 10) h.pause();
      h.write("round", 20);
      h.shift(50);
      h.folder.rename("log/app.log", "log/app.log.1");
      h.folder.append("log/app.log", "");
      h.agent->follow();
      if (round % 2 == 0) compress(h.folder, "log/app.log.1");
      h.clock.advance(100ms);
      h.agent->turn();
    }
    h.drain();
    h.check();
  }

  TEST_CASE(
      "rotation: what became of a file that was seen only empty is read, also if its inode and name are another's") {
    Host h;
    const pipeline::UnixNanos hour = 3'600'000'000'000, now = pipeline::SystemClock().wall();
    h.folder.append("log/app.log.2", "very old\n");
    compress(h.folder, "log/app.log.2");
    h.folder.set_modified("log/app.log.2.gz", now - 2 * hour);
    h.folder.append("log/app.log", "");
    h.start();
    h.drain();
    h.kill();
    h.disk.last_written = now - hour;  // so that the file was made after that
    h.write("one", 20);
    std::filesystem::copy_file(h.folder.at("log/app.log"), h.folder.at("log/app.log.1"));
    compress(h.folder, "log/app.log.1");
    std::filesystem::resize_file(h.folder.at("log/app.log"), 0);
    SUBCASE("which is empty") {}
    SUBCASE("which is written to") { h.write("two", 10); }
    SUBCASE("which was written to and rotated, too") {
      h.write("two", 10);
      h.folder.rename("log/app.log.2.gz", "log/app.log.3.gz");
      h.folder.rename("log/app.log.1.gz", "log/app.log.2.gz");
      h.folder.rename("log/app.log", "log/app.log.1");
      h.write("three", 5);
    }
    h.start();
    h.drain();
    h.check();
    h.kill();
    h.start();
    h.drain();
    h.check();
  }

  TEST_CASE("succession: an unacknowledged batch waits for a folder that is not mounted yet") {
    Host h;
    h.start();
    h.write("one", 10);
    h.read_unacked();
    h.kill();
    h.folder.rename("log", "elsewhere");
    h.start();
    h.agent->idle(60s);
    CHECK(h.arrived().empty());
    CHECK(h.counts("skidway_agent_source_lost_bytes_total{source=\"unknown\"} 0"));
    h.folder.rename("elsewhere", "log");
    h.agent->scan();
    h.drain();
    h.check();
  }

  TEST_CASE("succession: an unacknowledged batch of a file that is gone for good is lost, and the ledger says so") {
    Host h;
    h.start();
    h.write("one", 10);
    h.read_unacked();
    h.kill();
    h.folder.remove("log/app.log");
    h.start();
    h.agent->idle(60s);
    CHECK(h.arrived().empty());
    const uint64_t bytes = h.agent->ledger().losses[{0, "read:rebuild"}];
    CHECK(bytes == 10 * (h.written[0].size() + 1));
    CHECK(h.counts("skidway_agent_source_lost_bytes_total{source=\"unknown\"} " + std::to_string(bytes)));
  }
}
