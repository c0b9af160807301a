#include "agent/source/stdin_reader.h"

#include <doctest/doctest.h>
#include <future>
#include <unistd.h>

#include "agent/source/testing/model_sink.h"

using namespace agent;
using namespace agent::testing;
using pipeline::LabelSet;

namespace {
// Standard input is a pipe; the sink is looked at when the reader has ended.
struct Input {
  explicit Input(size_t max_line_bytes = kDefaultMaxLineBytes) {
    REQUIRE(::pipe(fds) == 0);
    disk.sinks.resize(1);
    sink = std::make_unique<ModelSink>(disk, 0, server);
    auto options = std::make_shared<SourceOptions>();
    options->name = "in";
    options->type = SourceType::kStdin;
    options->sinks = {0};
    options->max_line_bytes = max_line_bytes;
    reader = std::make_unique<StdinReader>(fds[0], options, LabelSet::from({{"job", "stdin"}}), memory, clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(sink->open_port());
    reader->set_ports(std::move(ports));
    reader->start([this] { ended.set_value(); });
  }
  ~Input() {
    reader->stop();
    ::close(fds[0]);
    if (fds[1] >= 0) ::close(fds[1]);
  }
  void write(const std::string& text) {
    for (size_t at = 0; at < text.size();) {
      ssize_t n = ::write(fds[1], text.data() + at, text.size() - at);
      REQUIRE(n > 0);
      at += static_cast<size_t>(n);
    }
  }
  std::vector<std::string> end() {
    ::close(std::exchange(fds[1], -1));
    ended.get_future().wait();
    reader->stop();
    sink->deliver_all();
    std::vector<std::string> lines;
    for (const auto& entry : server.entries()) lines.push_back(entry.line);
    return lines;
  }

  int fds[2];
  MemoryBudget memory{64 << 20};
  pipeline::SystemClock clock;
  pipeline::Registry metrics;
  ModelDisk disk;
  ModelServer server;
  std::unique_ptr<ModelSink> sink;
  std::unique_ptr<StdinReader> reader;
  std::promise<void> ended;
};
using Lines = std::vector<std::string>;
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: standard input is read to its end, with its last line, and then says so") {
    Input input;
    input.write("one\ntw");
    input.write("o\nlast");
    CHECK(input.end() == Lines{"one", "two", "last"});
    CHECK(input.disk.files.empty());  // nothing to come back to
  }

  TEST_CASE("source: a too long line of standard input is cut") {
    Input input(10);
    input.write("before\n" + std::string(700'000, 'x') + "\nafter\n");
    CHECK(input.end() == Lines{"before", std::string(10, 'x'), "after"});
    CHECK(input.metrics.render().find("skidway_agent_source_cut_bytes_total{source=\"in\"} 699990") !=
          std::string::npos);
  }

  TEST_CASE("source: empty standard input ends at once") {
    Input input;
    CHECK(input.end().empty());
  }

  TEST_CASE("source: reading standard input can be stopped") {
    Input input;
    input.write("one\n");
    input.reader->stop();
  }
}
