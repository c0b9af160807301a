#include "agent/sink/direct_sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

namespace agent {
namespace {

using pipeline::Batch;
using pipeline::LabelSet;

struct Fixture {
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::Registry registry;
  std::unique_ptr<CheckpointStore> store = *CheckpointStore::open({":memory:", {"out"}}, registry);
  SinkOptions options;
  pipeline::LabelTable table;
  Batch batch{table};
  std::vector<std::string> errors;

  Fixture() { options.name = "out"; }
  void add(std::string_view line, pipeline::ByteRange origin) {
    batch.add(line, 1'000'000'001, table.intern(LabelSet::parse(R"({app="a", __path__="/x"})").value()), origin);
  }
  std::unique_ptr<DirectSink> make(int fd) {
    return std::make_unique<DirectSink>(
        *loop, options, fd, [this](pipeline::Error e) { errors.push_back(e.message); }, *store, registry);
  }
};

TEST_SUITE("agent/sink") {
  TEST_CASE("direct sink: prints entries as JSON lines, and its position moves at once") {
    Fixture f;
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    f.options.labels = {{"site", "b"}};
    auto sink = f.make(pipe[1]);
    auto port = sink->open_port([] {});
    f.add("hello", {0, 6, 1});
    f.add("wor\"ld", {6, 13, 2});
    port->append(f.batch, {{1}, 13, 2});
    char text[1000];
    ssize_t n = ::read(pipe[0], text, sizeof text);
    REQUIRE(n > 0);
    CHECK(std::string(text, static_cast<size_t>(n)) ==
          R"({"timestamp":"1970-01-01T00:00:01.000000001Z","labels":{"app":"a","site":"b"},"line":"hello"})"
          "\n"
          R"({"timestamp":"1970-01-01T00:00:01.000000001Z","labels":{"app":"a","site":"b"},"line":"wor\"ld"})"
          "\n");
    CHECK(sink->position({1})->position == 13);
    bool stopped = false;
    sink->stop(std::chrono::seconds(1), [&] { stopped = true; });
    f.loop->turn(std::chrono::milliseconds(0));
    CHECK(stopped);
    port.reset(), sink.reset();
    ::close(pipe[0]), ::close(pipe[1]);
  }

  TEST_CASE("direct sink: the bin counts and keeps nothing") {
    Fixture f;
    auto sink = f.make(DirectSink::kNoFd);
    auto port = sink->open_port([] {});
    f.add("hello", {0, 6, 1});
    port->append(f.batch, {{1}, 6, 1});
    CHECK(sink->position({1})->position == 6);
    CHECK(f.registry.render().find("skidway_agent_sink_sent_entries_total{sink=\"out\"} 1") != std::string::npos);
  }

  TEST_CASE("direct sink: a write that fails is told once, and nothing is passed from then on") {
    Fixture f;
    int fd = ::open("/dev/null", O_RDONLY);
    auto sink = f.make(fd);
    auto port = sink->open_port([] {});
    f.add("hello", {0, 6, 1});
    port->append(f.batch, {{1}, 6, 1});
    port->append(f.batch, {{1}, 6, 1});
    REQUIRE(f.errors.size() == 1);
    CHECK(f.errors[0] == "sink \"out\": write: bad file descriptor");
    CHECK(port->full());
    CHECK(!sink->position({1}));
    ::close(fd);
  }
}

}  // namespace
}  // namespace agent
