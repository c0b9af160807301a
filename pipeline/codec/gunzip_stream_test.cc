#include "pipeline/codec/gunzip_stream.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <string>

#include "pipeline/codec/deflate.h"

using namespace pipeline;

namespace {
std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

// The text, as far as it goes; input in pieces of `piece` bytes, output in pieces of `room`.
struct Outcome {
  std::string text;
  bool complete = false;
  std::string error;
};
Outcome read(std::string_view bytes, size_t piece, size_t room) {
  GunzipStream stream;
  Outcome out;
  std::string to(room, '\0');
  while (!bytes.empty()) {
    auto step = stream.run(bytes.substr(0, piece), to.data(), to.size());
    if (!step) {
      out.error = step.error().message;
      return out;
    }
    out.text.append(to, 0, step->made);
    bytes.remove_prefix(step->used);
    if (step->used == 0 && step->made == 0) break;
  }
  for (;;) {  // what is left inside
    auto step = stream.run("", to.data(), to.size());
    if (!step || step->made == 0) break;
    out.text.append(to, 0, step->made);
  }
  out.complete = stream.complete();
  return out;
}
}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("codec: a gzip stream is the same text in pieces of any size") {
    std::string text = numbers(20'000), packed = gzip_compress(text);
    for (size_t piece : {1, 7, 4096, 1 << 20}) {
      for (size_t room : {1000, 65'536}) {
        Outcome out = read(packed, piece, room);
        CHECK(out.text == text);
        CHECK(out.complete);
        CHECK(out.error == "");
      }
    }
  }

  TEST_CASE("codec: members of a gzip stream are one text, zeros behind them nothing") {
    std::string packed = gzip_compress("one\n") + gzip_compress("") + gzip_compress("two\n") + std::string(500, '\0');
    Outcome out = read(packed, 3, 100);
    CHECK(out.text == "one\ntwo\n");
    CHECK(out.complete);
    CHECK(read(packed + "x", 1000, 100).error == "gzip: bytes behind the padding");
  }

  TEST_CASE("codec: a gzip stream cut at any byte gives a beginning of its text and is not complete") {
    std::string text = numbers(300), packed = gzip_compress(text);
    for (size_t size = 0; size < packed.size(); ++size) {
      Outcome out = read(std::string_view(packed).substr(0, size), 4096, 4096);
      CHECK(text.starts_with(out.text));
      CHECK_FALSE(out.complete);
    }
  }

  TEST_CASE("codec: a gzip stream with a wrong byte is never complete with another text") {
    std::string text = numbers(300), packed = gzip_compress(text);
    for (size_t at = 0; at < packed.size(); ++at) {
      std::string bad = packed;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      Outcome out = read(bad, 4096, 4096);
      if (out.error.empty() && out.complete) CHECK(out.text == text);  // in the header, where nothing hangs on it
    }
    CHECK(read("plain text, not gzip", 100, 100).error.starts_with("gzip: "));
  }
}
