#include "pipeline/codec/lz4_frame.h"

#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace pipeline;

TEST_SUITE_BEGIN("codec");

namespace {

std::string bytes_of(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

// What the lz4 program writes.
const std::string kRun = bytes_of("04224d186440a70c0000001f610100ff1450616161616100000000bdba236f");
const std::string kWords =
    bytes_of("04224d187440bd1b0000006868656c6c6f200600936c7a34206672616d6516005068656c6c6fc32ded33000000007d785ef7");

Result<std::string> read(std::string_view body, uint64_t limit = 1 << 20) {
  ByteBuffer out;
  TRY(lz4_decompress_body(body, limit, out));
  return std::string(out.view());
}

}  // namespace

TEST_CASE("lz4: frames of the lz4 program are read, one or several, other data between them passed over") {
  CHECK(*read(kRun) == std::string(300, 'a'));
  CHECK(*read(kWords) == "hello hello hello lz4 frame hello hello");  // with block checksums
  const std::string other = bytes_of("502a4d1803000000") + "xyz";
  CHECK(*read(kWords + other + kRun) == "hello hello hello lz4 frame hello hello" + std::string(300, 'a'));
}

TEST_CASE("lz4: what is too large is refused with Loki's text") {
  CHECK(read(kRun, 300));
  auto large = read(kRun, 299);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Errc::kOverLimit);
  CHECK(large.error().message == "request body too large: decompressed message size too large than max (300 vs 299)");
}

TEST_CASE("lz4: damaged and cut bodies are refused") {
  for (const std::string& whole : {kRun, kWords}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      auto outcome = read(std::string_view(whole).substr(0, length));
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == Errc::kInvalid);
    }
    for (size_t i = 0; i < whole.size() * 8; ++i) {
      std::string damaged = whole;
      damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
      CAPTURE(i);
      auto outcome = read(damaged);  // a run may be copied from elsewhere in it, too; else checksums cover all of it
      CHECK((!outcome || *outcome == *read(whole)));
    }
  }
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string noise = kRun.substr(0, 7);
    for (int i = 0; i < 60; ++i) noise += static_cast<char>(random());
    (void)read(noise, 1 << 16);
  }
}

TEST_SUITE_END();
