#include "server/store/packed_integers.h"

#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace server;

namespace {

std::vector<uint64_t> random_numbers(std::mt19937_64& random) {
  std::vector<uint64_t> out(random() % 700);
  unsigned bits = static_cast<unsigned>(random() % 65);
  uint64_t scale = std::vector<uint64_t>{1, 1000, 1'000'000, 1'000'000'000}[random() % 4];
  uint64_t base = random() % 3 == 0 ? random() : 0;
  for (uint64_t& v : out) {
    v = bits == 0 ? 0 : random() >> (64 - bits);
    if (random() % 50 == 0) v = random();
    v = v * scale + base;
  }
  return out;
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("packed integers: every number comes back") {
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      auto numbers = random_numbers(random);
      std::string bytes;
      (seed % 2 == 0 ? append_packed : append_packed_bytes)(bytes, numbers);
      std::vector<uint64_t> back(numbers.size());
      PackedReader reader(bytes);
      REQUIRE(reader.read(back.data(), back.size()));
      CHECK(back == numbers);
      CHECK(reader.rest().empty());
    }
  }

  TEST_CASE("packed integers: equal steps and whole milliseconds take next to nothing") {
    std::string equal, milliseconds;
    append_packed(equal, std::vector<uint64_t>(1280, 15'000'000'001));
    CHECK(equal.size() == 10 * 8);
    std::vector<uint64_t> steps;
    for (uint64_t i = 0; i < 128; ++i) steps.push_back(i % 8 * 1'000'000);
    append_packed(milliseconds, steps);
    CHECK(milliseconds.size() == 4 + 128 * 3 / 8);
  }

  TEST_CASE("packed integers: one long pause does not widen the block") {
    std::vector<uint64_t> steps(128, 5);
    for (size_t i = 0; i < 128; i += 2) steps[i] = 12;
    std::string without, with;
    append_packed(without, steps);
    steps[77] = 3'600'000'000'001;
    append_packed(with, steps);
    CHECK(with.size() <= without.size() + 8);
  }

  TEST_CASE("packed integers: in whole bytes, equal rows of numbers give equal bytes, whatever block they are in") {
    std::vector<uint64_t> lengths;
    for (uint64_t i = 0; i < 1280; ++i) lengths.push_back(1000 + i % 64 * 3 + (i % 64 == 0 ? 300'000 : 0));
    std::string bytes;
    append_packed_bytes(bytes, lengths);
    constexpr size_t kHeader = 5, kException = 3;  // the base takes two bytes
    const size_t block = kHeader + kPackedBlock + 2 * kException;
    REQUIRE(bytes.size() == 10 * block);
    CHECK(bytes.substr(0, block) == bytes.substr(block, block));
    CHECK(bytes[0] == 8);
    std::string wide;
    append_packed_bytes(wide, std::vector<uint64_t>{0, 70'000, 80'000});
    CHECK(wide[0] == 24);
  }

  TEST_CASE("packed integers: malformed bytes are refused, never read beyond") {
    for (uint64_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      auto numbers = random_numbers(random);
      std::string bytes;
      (seed % 2 == 0 ? append_packed : append_packed_bytes)(bytes, numbers);
      std::vector<uint64_t> back(numbers.size());
      for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 100) {
        std::string shorter(bytes.data(), cut);
        CHECK_FALSE(PackedReader(shorter).read(back.data(), back.size()));
      }
      for (int i = 0; i < 50 && !bytes.empty(); ++i) {
        std::string broken = bytes;
        broken[random() % broken.size()] = static_cast<char>(random());
        (void)PackedReader(broken).read(back.data(), back.size());
      }
    }
  }
}
