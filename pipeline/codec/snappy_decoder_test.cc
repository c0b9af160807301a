#include "pipeline/codec/snappy_decoder.h"

#include <doctest/doctest.h>
#include <random>
#include <snappy.h>
#include <vector>

#include "pipeline/base/varint.h"

using namespace pipeline;

namespace {

// Elements of every kind, and what they give; faults where `wrong` says so. Not what an encoder would choose.
std::string random_elements(std::mt19937& random, size_t elements, bool wrong, std::string& text) {
  std::string out;
  auto number = [&](size_t n, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i));
  };
  for (; elements > 0; --elements) {
    const size_t kind = text.empty() ? 0 : random() % 4;
    if (kind == 0) {
      const size_t size = 1 + random() % (random() % 10 == 0 ? 70'000 : random() % 3 == 0 ? 300 : 60);
      const size_t least = size <= 60 ? 0 : size <= 0x100 ? 1 : size <= 0x10000 ? 2 : 3;
      const size_t bytes = least == 0 && random() % 8 != 0 ? 0 : std::max<size_t>(least, 1 + random() % 4);
      out += static_cast<char>((bytes == 0 ? size - 1 : 59 + bytes) << 2);
      number(size - 1, bytes);
      for (size_t i = 0; i < size; ++i) out += static_cast<char>(random()), text += out.back();
      continue;
    }
    const size_t reach = random() % 2 == 0 ? 40 : 100'000;
    size_t distance = 1 + random() % std::min(text.size(), reach), size = 1 + random() % 64;
    if (wrong && random() % 20 == 0) distance = random() % 2 == 0 ? 0 : text.size() + 1 + random() % 100;
    if (kind == 1 && distance < 2048) {
      size = 4 + size % 8;
      out += static_cast<char>(1 | (size - 4) << 2 | distance >> 8 << 5);
      number(distance, 1);
    } else if (kind == 2 && distance < 65536) {
      out += static_cast<char>(2 | (size - 1) << 2);
      number(distance, 2);
    } else {
      out += static_cast<char>(3 | (size - 1) << 2);
      number(distance, 4);
    }
    if (distance == 0 || distance > text.size()) distance = 1;
    for (; size > 0; --size) text += text[text.size() - distance];
  }
  return out;
}

// In memory of exactly the needed size, for the address sanitizer.
bool decode(const std::string& elements, size_t size, std::string& text) {
  const std::vector<char> in(elements.begin(), elements.end());
  std::vector<char> out(size);
  const bool good = decode_snappy_elements({in.data(), in.size()}, out.data(), size);
  text.assign(out.begin(), out.end());
  return good;
}

bool library_decodes(const std::string& elements, size_t size, std::string& text) {
  std::string block;
  append_varint(block, size);
  block += elements;
  return snappy::Uncompress(block.data(), block.size(), &text);
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("snappy decoder: elements of every kind give what they stand for") {
    const uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 500; ++round) {
      std::string text, decoded;
      const std::string elements = random_elements(random, random() % 60, false, text);
      REQUIRE(decode(elements, text.size(), decoded));
      CHECK((decoded == text));
      CHECK_FALSE(decode(elements, text.size() + 1, decoded));
      if (!text.empty()) CHECK_FALSE(decode(elements, text.size() - 1, decoded));
    }
  }

  TEST_CASE("snappy decoder: takes and refuses what the library takes and refuses, cut and damaged blocks too") {
    const uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    size_t refused = 0;
    for (int round = 0; round < 3000; ++round) {
      std::string text, ours, theirs;
      std::string elements = random_elements(random, 1 + random() % 30, round % 2 == 0, text);
      if (round % 3 == 0) elements.resize(random() % elements.size());
      if (round % 5 == 0 && !elements.empty()) elements[random() % elements.size()] = static_cast<char>(random());
      const bool good = library_decodes(elements, text.size(), theirs);
      REQUIRE(decode(elements, text.size(), ours) == good);
      if (good) CHECK((ours == theirs));
      refused += !good;
    }
    CHECK(refused > 500);
    CHECK(refused < 2500);
  }

  // The library counts the length of a literal in 32 bits, where 4 GiB are nothing. Other readers refuse it, and so do
  // we.
  TEST_CASE("snappy decoder: a literal of 4 GiB is refused") {
    const std::string nothing("\xfc\xff\xff\xff\xff", 5), one("\0a\xfc\xff\xff\xff\xff", 7);
    std::string text;
    CHECK_FALSE(decode(nothing, 0, text));
    CHECK_FALSE(decode(one, 1, text));
    CHECK_FALSE(decode(one + one, 2, text));
    // Far from both ends, where elements are read in chunks.
    CHECK_FALSE(decode(one + std::string("\xf0\xc7", 2) + std::string(200, 'x'), 201, text));
  }
}
