#include "agent/stdin/stdin_source.h"

#include <doctest/doctest.h>
#include <thread>

#include "agent/stream/testing/collecting_reader.h"

namespace agent {
namespace {

using Lines = std::vector<std::string>;

// Standard input is a pipe.
struct Input {
  explicit Input(size_t max_line_bytes = kDefaultMaxLineBytes)
      : home(options(fds), "stdin", "", max_line_bytes), source(nullptr) {
    StreamParts parts = home.parts();
    parts.at_end = [this] { ended = true; };
    source = make_stdin(parts);
    REQUIRE(source->start());
  }
  ~Input() {
    source->stop();
    ::close(fds[0]);
    if (fds[1] >= 0) ::close(fds[1]);
  }
  static std::shared_ptr<const StreamOptions> options(int* fds) {
    REQUIRE(::pipe(fds) == 0);
    auto out = std::make_shared<StdinOptions>();
    out->fd = fds[0];
    return out;
  }
  void write(const std::string& text) {
    for (size_t at = 0; at < text.size();) {
      ssize_t n = ::write(fds[1], text.data() + at, text.size() - at);
      REQUIRE(n > 0);
      at += static_cast<size_t>(n);
    }
  }
  Lines end() {
    ::close(std::exchange(fds[1], -1));
    CHECK(home.until([&] { return ended; }));
    return home.lines();
  }

  int fds[2];
  CollectingReader home;
  std::unique_ptr<StreamSource> source;
  bool ended = false;
};

TEST_SUITE("agent/stdin") {
  TEST_CASE("stdin: it is read to its end, with its last line, and then says so") {
    Input input;
    input.write("one\ntw");
    input.write("o\r\nlast");
    CHECK(input.end() == Lines{"one", "two", "last"});
    CHECK(input.home.got()[0].labels.find("job=\"stdin\"") != std::string::npos);
  }

  TEST_CASE("stdin: a too long line is cut, and what of it was is counted") {
    Input input(10);
    input.write("before\n" + std::string(700'000, 'x') + "\nafter\n");
    CHECK(input.end() == Lines{"before", std::string(10, 'x'), "after"});
    CHECK(input.home.has_metric("skidway_agent_source_cut_bytes_total{source=\"net\"} 699990"));
    CHECK(input.home.has_metric("skidway_agent_source_cut_lines_total{source=\"net\"} 1"));
  }

  TEST_CASE("stdin: an empty one ends at once") {
    Input input;
    CHECK(input.end().empty());
  }

  TEST_CASE("stdin: its end is told when everything is acknowledged, not before") {
    Input input;
    input.home.acks = false;
    input.write("one\n");
    REQUIRE(input.home.until([&] { return input.home.lines().size() == 1; }));
    ::close(std::exchange(input.fds[1], -1));
    for (int i = 0; i < 10; i++) input.home.loop().turn(std::chrono::milliseconds(10));
    CHECK_FALSE(input.ended);
    input.home.acknowledge();
    CHECK(input.home.until([&] { return input.ended; }));
  }

  TEST_CASE("stdin: the ledger has every line") {
    Input input;
    input.write("one\ntwo\n");
    input.end();
    auto lines = input.home.reader().account().lines({{0, "sink", 3}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].received == EntryVolume{2, 6});
    CHECK(lines[0].acked == EntryVolume{2, 6});
  }

  TEST_CASE("stdin: reading it can be stopped") {
    Input input;
    input.write("one\n");
    input.source->stop();
  }
}

}  // namespace
}  // namespace agent
