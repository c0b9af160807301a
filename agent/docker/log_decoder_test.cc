#include "agent/docker/log_decoder.h"

#include <doctest/doctest.h>
#include <random>
#include <vector>

#include "pipeline/base/time_format.h"

namespace agent {
namespace {

using Lines = std::vector<std::string>;

std::string frame(int stream, std::string_view text) {
  std::string out{static_cast<char>(stream), 0, 0, 0};
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(text.size() >> shift & 0xff);
  out += text;
  return out;
}

struct Log {
  DockerLogDecoder decoder;
  Lines lines;
  std::string error;
  DockerLogDecoder::OnLine take = [this](const DockerLogDecoder::Line& line) {
    lines.push_back(pipeline::concat(line.is_stderr ? "err " : "out ",
                                     line.time == 0 ? "?" : pipeline::format_rfc3339(line.time).substr(17), " ",
                                     line.open_since == 0 ? "" : "(other open) ", line.text));
  };

  explicit Log(bool terminal, size_t max_line_bytes = 1 << 20) : decoder(terminal, max_line_bytes) {}
  Log& feed(std::string_view bytes, size_t step = 1 << 20) {
    for (; !bytes.empty() && error.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
      std::string piece(bytes.substr(0, step));
      if (auto fed = decoder.feed(piece, take); !fed) error = fed.error().message;
    }
    return *this;
  }
};

}  // namespace

TEST_SUITE("agent/docker") {
  TEST_CASE("docker log: frames of both streams, cut anywhere") {
    std::string bytes = frame(1, "2026-11-21T17:00:01.000000001Z one\n") + frame(2, "2026-11-21T17:00:02.5Z two\n") +
                        frame(1, "") + frame(1, "2026-11-21T17:00:03Z  three \n") + frame(1, "2026-11-21T17:00:04Z \n");
    for (size_t step : {1u, 2u, 7u, 8u, 9u, 1000u})
      CHECK(Log(false).feed(bytes, step).lines ==
            Lines{"out 01.000000001Z one", "err 02.5Z two", "out 03Z  three ", "out 04Z "});
  }

  TEST_CASE("docker log: chunks of a long line are joined, also with lines of the other stream between them") {
    std::string big(16384, 'a'), time = "2026-11-21T17:00:01.000000001Z ";
    std::string bytes = frame(1, time + big) + frame(2, "2026-11-21T17:00:02Z between\n") + frame(1, time + big) +
                        frame(1, time + "end\n");
    for (size_t step : {1u, 100u, 5000u, 100000u}) {
      Log log(false);
      log.feed(bytes, step);
      REQUIRE(log.lines.size() == 2);
      CHECK(log.lines[0] == "err 02Z (other open) between");
      CHECK(log.lines[1] == "out 01.000000001Z " + big + big + "end");
    }
  }

  TEST_CASE("docker log: a terminal's lines have no frames, end with CR LF, and repeat the time in long ones") {
    std::string big(16384, 'a'), time = "2026-11-21T17:00:01.000000001Z ";
    std::string bytes = time + "one\r\n" + time + big + time + "rest\r\n" + time + big + "\n" + time + "last\r\n";
    for (size_t step : {1u, 100u, 5000u, 100000u})
      CHECK(Log(true).feed(bytes, step).lines == Lines{"out 01.000000001Z one", "out 01.000000001Z " + big + "rest",
                                                       "out 01.000000001Z " + big, "out 01.000000001Z last"});
  }

  TEST_CASE("docker log: a last line without an end is one when the container has stopped") {
    Log log(false);
    log.feed(frame(1, "2026-11-21T17:00:01Z half"));
    CHECK(log.lines.empty());
    log.decoder.finish(log.take);
    CHECK(log.lines == Lines{"out 01Z half"});
  }

  TEST_CASE("docker log: the last word of one run and the first line of the next are two lines") {
    CHECK(Log(false)
              .feed(frame(1, "2026-11-21T17:00:01Z last word") + frame(1, "2026-11-21T17:00:09Z first\n"), 3)
              .lines == Lines{"out 01Z last word", "out 09Z first"});
  }

  TEST_CASE("docker log: lines without a time are kept and counted") {
    Log log(false);
    log.feed(frame(1, "no time\n") + frame(2, "2026-99-21T17:00:01Z bad\n") + frame(1, "12") +
                 frame(1, "2026-11-21T17:00:01Z \n"),
             3);
    CHECK(log.lines == Lines{"out ? no time", "err ? 2026-99-21T17:00:01Z bad", "out ? 12", "out 01Z "});
    CHECK(log.decoder.time_faults() == 3);
  }

  TEST_CASE("docker log: what is no frame is an error") {
    CHECK(Log(false).feed("2026-11-21T17:00:01Z text\n").error == "container log: no frame begins with byte 50");
    CHECK(Log(false).feed(std::string("\x01\0\0\1\0\0\0\1", 8)).error != "");
    CHECK(Log(false).feed(std::string("\x01\0\0\0\xff\0\0\1", 8)).error != "");
  }

  TEST_CASE("docker log: a line above the limit is cut and counted") {
    Log log(false, 10);
    log.feed(frame(1, "2026-11-21T17:00:01Z " + std::string(25, 'x') + "\n") + frame(1, "2026-11-21T17:00:02Z y\n"), 5);
    CHECK(log.lines == Lines{"out 01Z xxxxxxxxxx", "out 02Z y"});
    CHECK(log.decoder.cut_bytes() == 15);
  }

  TEST_CASE("docker log: random bytes are survived") {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
      std::string bytes;
      for (unsigned n = random() % 60; n > 0; --n) bytes += "\0\1\2 2026-11T:.Z\n"[random() % 17];
      Log(round % 2 == 0, 20).feed(bytes, 1 + random() % 5);
    }
  }
}

}  // namespace agent
