#include "pipeline/codec/snappy_encoder.h"

#include <doctest/doctest.h>
#include <random>
#include <snappy.h>
#include <vector>

#include "pipeline/base/concat.h"
#include "pipeline/base/varint.h"

using namespace pipeline;

namespace {

// What the library makes of the encoder's elements.
std::string decoded(std::string_view elements, size_t size) {
  std::string block, out;
  append_varint(block, size);
  block += elements;
  REQUIRE_MESSAGE(snappy::Uncompress(block.data(), block.size(), &out), "size ", size);
  return out;
}

// Pieces of earlier text, near and far, short and long, between new bytes.
std::string random_text(std::mt19937& random, size_t size) {
  std::string out;
  const uint32_t letters = 1 + random() % 256, farthest = 1u << (random() % 18), longest = 1 + random() % 300;
  while (out.size() < size) {
    for (size_t n = random() % 40; n > 0; --n) out += static_cast<char>(random() % letters);
    if (out.empty()) continue;
    size_t from = out.size() - 1 - random() % std::min<size_t>(out.size(), farthest);
    for (size_t n = random() % longest; n > 0; --n) out += out[from++];
  }
  out.resize(size);
  return out;
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("snappy encoder: the library reads what it writes") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    SnappyEncoder close(SnappySearch::kClose), loose(SnappySearch::kLoose);
    for (int round = 0; round < 600; ++round) {
      SnappyEncoder& encoder = random() % 2 == 0 ? close : loose;
      size_t size = round < 200 ? static_cast<size_t>(round) : random() % (round % 20 == 0 ? 300'000 : 5'000);
      std::string text = random_text(random, size);
      std::vector<char> exact(text.begin(), text.end());  // no room behind it, for the address sanitizer
      std::string elements, again;
      encoder.append(elements, {exact.data(), exact.size()});
      CAPTURE(size);
      REQUIRE((decoded(elements, size) == text));
      CHECK(elements.size() <= size + 3 * (size / 65'536 + 1));
      encoder.append(again, text);
      CHECK((again == elements));
    }
  }

  TEST_CASE("snappy encoder: around the ends of slices and of what a copy reaches") {
    SnappyEncoder encoder;
    std::mt19937 random(1);
    std::string noise = random_text(random, 70'000);
    for (char& c : noise) c = static_cast<char>(random());
    for (size_t distance : {1, 6, 7, 8, 2047, 2048, 65'526, 65'535, 65'536}) {
      for (size_t length : {6, 7, 11, 12, 60, 64, 65, 67, 68, 69, 128, 1000}) {
        for (size_t slice_edge : {0, 30, 65'536 - 40, 65'536 + 3}) {
          std::string text = noise.substr(0, std::max(distance, slice_edge));
          for (size_t i = 0; i < length; ++i) text += text[text.size() - distance];
          text += noise.substr(1000, 50);
          std::string elements;
          encoder.append(elements, text);
          CAPTURE(concat(distance, " ", length, " ", slice_edge));
          REQUIRE((decoded(elements, text.size()) == text));
        }
      }
    }
  }

  TEST_CASE("snappy encoder: what repeats is found wherever it begins, to its whole length") {
    const std::string line = R"({"level":"info","message":"a request was answered","service":"checkout"})";
    for (SnappySearch search : {SnappySearch::kClose, SnappySearch::kLoose}) {
      SnappyEncoder encoder(search);
      std::mt19937 random(1);
      std::string text, elements;
      for (int n = 0; n < 1000; ++n) text += concat(line, random());
      encoder.append(elements, text);
      REQUIRE((decoded(elements, text.size()) == text));
      CHECK(elements.size() < 1000 * 18);  // of a line: the number and its tag, and two copies of three bytes
    }
  }

  TEST_CASE("snappy encoder: zeros and noise") {
    SnappyEncoder encoder;
    for (size_t size : {1u, 63u, 64u, 65'536u, 1'000'000u}) {
      std::string zeros(size, '\0'), elements;
      encoder.append(elements, zeros);
      CHECK((decoded(elements, size) == zeros));
      if (size > 60'000) CHECK(elements.size() < size / 20);
    }
  }
}
