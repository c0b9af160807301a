#include "agent/checkpoint/record_codec.h"

#include <doctest/doctest.h>
#include <random>

namespace agent {
namespace {

const auto kLabels = std::make_shared<const std::string>(R"({app="api"})");

auto find_in(std::shared_ptr<const std::string> labels) {
  return [labels](uint64_t key) { return key == labels_key(*labels) ? labels : nullptr; };
}

bool same(const std::vector<RecordSegment>& a, const std::vector<RecordSegment>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (a[i].file != b[i].file || *a[i].labels != *b[i].labels || a[i].ranges != b[i].ranges) return false;
  return true;
}

TEST_SUITE("agent/checkpoint") {
  TEST_CASE("record codec: gives back what it was given, in whatever order the ranges stand") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; round++) {
      std::vector<RecordSegment> segments(random() % 5);
      for (RecordSegment& s : segments) {
        s = {{random()}, kLabels, {}};
        for (uint64_t n = random() % 20; n > 0; n--) {
          uint64_t begin = random() >> (1 + random() % 63);
          s.ranges.push_back({begin, begin + 1 + random() % 300, static_cast<int64_t>(random() >> 1)});
        }
      }
      auto decoded = decode_segments(encode_segments(segments), find_in(kLabels));
      REQUIRE(decoded);
      CHECK(same(*decoded, segments));
    }
  }

  TEST_CASE("record codec: a range behind the one before costs about ten bytes less than its numbers") {
    std::vector<LineRange> ranges;
    for (uint64_t i = 0; i < 1000; i++)
      ranges.push_back({i * 200, i * 200 + 150, static_cast<int64_t>(1'700'000'000'000'000'000 + i)});
    CHECK(encode_segments({{{7}, kLabels, ranges}}).size() < 1000 * 5 + 40);
  }

  TEST_CASE("record codec: says kCorrupt for every cut, and kInvalid for a newer version") {
    std::string bytes = encode_segments({{{3}, kLabels, {{0, 10, 5}, {10, 30, 9}}}, {{4}, kLabels, {{100, 110, 50}}}});
    for (size_t n = 0; n < bytes.size(); n++) {
      auto cut = decode_segments(std::string_view(bytes).substr(0, n), find_in(kLabels));
      REQUIRE(!cut);
      CHECK(cut.error().code == pipeline::Errc::kCorrupt);
    }
    CHECK(decode_segments(bytes + "x", find_in(kLabels)).error().code == pipeline::Errc::kCorrupt);
    CHECK(decode_segments(bytes, find_in(std::make_shared<const std::string>("{}"))).error().code ==
          pipeline::Errc::kCorrupt);
    bytes[0] = 2;
    CHECK(decode_segments(bytes, find_in(kLabels)).error().code == pipeline::Errc::kInvalid);
  }
}

}  // namespace
}  // namespace agent
