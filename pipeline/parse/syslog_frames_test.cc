#include "pipeline/parse/syslog_frames.h"

#include <doctest/doctest.h>
#include <random>
#include <vector>

TEST_SUITE_BEGIN("parse");

using namespace pipeline;

namespace {

struct Connection {
  SyslogFrames frames;
  std::vector<std::string> got;
  SyslogFrames::OnFrame take = [this](std::string_view frame) { got.emplace_back(frame); };
  std::string error;

  explicit Connection(SyslogTrailer trailer = SyslogTrailer::kNextMessage, size_t max_bytes = 8192)
      : frames(max_bytes, trailer) {}
  Connection& feed(std::string_view bytes, size_t step = 1 << 20) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
      std::string piece(bytes.substr(0, step));  // its own allocation
      if (auto fed = frames.feed(piece, take); !fed) {
        error = fed.error().message;
        return *this;
      }
    }
    return *this;
  }
};

using Frames = std::vector<std::string>;

}  // namespace

TEST_CASE("syslog frames: octet counting, whatever the pieces") {
  for (size_t step : {1u, 2u, 3u, 7u, 100u}) {
    Connection c;
    c.feed("5 <1>ab9 <2>\n<3>cd\n4 <4>e", step);
    CHECK(c.got == Frames{"<1>ab", "<2>\n<3>cd", "<4>e"});
    CHECK(c.error == "");
    CHECK_FALSE(c.frames.finish(c.take));
  }
}

TEST_CASE("syslog frames: a line feed that was counted or not is no part of a message") {
  Connection c;
  c.feed("6 <1>ab\n5 <2>cd\n4 <3>e\r\n4 <4>f", 3);
  CHECK(c.got == Frames{"<1>ab", "<2>cd", "<3>e", "<4>f"});
}

TEST_CASE("syslog frames: with a trailer a message ends where the next one begins, or when nothing more comes") {
  for (size_t step : {1u, 2u, 3u, 7u, 100u}) {
    Connection c;
    c.feed("<1>first\n<2>second\n  goes on\n<3>third\r\n", step);
    CHECK(c.got == Frames{"<1>first", "<2>second\n  goes on"});
    CHECK(c.frames.has_whole());
    c.frames.flush(c.take);
    CHECK(c.got.back() == "<3>third");
    CHECK_FALSE(c.frames.has_whole());
    c.frames.flush(c.take);
    c.feed("<4>fourth");
    CHECK_FALSE(c.frames.has_whole());
    c.frames.flush(c.take);
    CHECK(c.got.size() == 3);
    CHECK_FALSE(c.frames.finish(c.take));
    CHECK(c.got.back() == "<4>fourth");
    CHECK(c.got.size() == 4);
  }
}

TEST_CASE("syslog frames: a NUL ends a message as a line feed does, empty lines are none") {
  Connection c;
  c.feed(std::string_view("<1>a\0<2>b\n\n\n<3>c\n\0", 18));
  c.frames.flush(c.take);
  CHECK(c.got == Frames{"<1>a", "<2>b", "<3>c"});
}

TEST_CASE("syslog frames: raw lines may begin with anything") {
  Connection lines(SyslogTrailer::kLine);
  lines.feed("hello\n7 <x\r\n\nlast", 2);
  lines.frames.finish(lines.take);
  CHECK(lines.got == Frames{"hello", "7 <x", "last"});
  Connection nul(SyslogTrailer::kNul);
  nul.feed(std::string_view("a\nb\0c\0", 6), 2);
  CHECK(nul.got == Frames{"a\nb", "c"});
}

TEST_CASE("syslog frames: what fits no framing ends the connection") {
  CHECK(Connection().feed("hello").error == "invalid or unsupported framing. first byte: 'h'");
  CHECK(Connection().feed("\x16\x03\x01").error == "invalid or unsupported framing. first byte: 0x16");
  CHECK(Connection().feed("0 <1>x").error == "octet counting: '0' stands where a message's length should be");
  CHECK(Connection().feed("5<1>xx").error == "octet counting: '<' stands where a message's length should be");
  CHECK(Connection().feed("4 <1>x<1>y").error == "octet counting: '<' stands where a message's length should be");
  CHECK(Connection().feed("99999999 x").error == "octet counting: a message of 99999999 bytes or more is announced");
  Connection c;
  c.feed("4 <1>x4 <1>y<", 1);
  CHECK(c.got == Frames{"<1>x", "<1>y"});
  CHECK(c.error != "");
}

TEST_CASE("syslog frames: a connection that breaks off leaves what it had") {
  Connection counted;
  counted.feed("4 <1>x10 <2>half");
  CHECK(counted.frames.finish(counted.take));
  CHECK(counted.got == Frames{"<1>x", "<2>half"});
  Connection digits;
  digits.feed("4 <1>x10");
  CHECK(digits.frames.finish(digits.take));
  CHECK(digits.got == Frames{"<1>x"});
}

TEST_CASE("syslog frames: a message above the limit is cut, and the next one is whole") {
  for (size_t step : {1u, 5u, 100u}) {
    Connection counted(SyslogTrailer::kNextMessage, 6);
    counted.feed("10 <1>abcdefg5 <2>ab", step);
    CHECK(counted.got == Frames{"<1>abc", "<2>ab"});
    CHECK(counted.frames.cut_frames() == 1);
    CHECK(counted.frames.cut_bytes() == 4);
    Connection lines(SyslogTrailer::kNextMessage, 6);
    lines.feed("<1>abcdefg\n<2>ab\n<3>", step);
    CHECK(lines.got == Frames{"<1>abc", "<2>ab"});
    CHECK(lines.frames.cut_frames() == 1);
    CHECK(lines.frames.held_bytes() <= 6);
  }
}

TEST_CASE("syslog frames: messages cut at random places come out as when fed whole") {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      std::string message = "<1>";
      for (unsigned k = random() % 12; k > 0; --k) message += "ab\n< 1"[random() % 6];
      text += round % 2 ? concat(message.size(), " ", message) : message + "\n";
    }
    Connection whole(SyslogTrailer::kNextMessage, 9), cut(SyslogTrailer::kNextMessage, 9);
    whole.feed(text);
    cut.feed(text, 1 + random() % 9);
    whole.frames.finish(whole.take);
    cut.frames.finish(cut.take);
    CHECK(whole.got == cut.got);
    CHECK(whole.frames.cut_bytes() == cut.frames.cut_bytes());
  }
}
