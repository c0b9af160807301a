#include "server/store/gram_set.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>

#include "server/store/gram_marks.h"

using namespace server;

namespace {

bool holds(const GramSet& set, const std::vector<uint32_t>& buckets, uint32_t rows) {
  const auto bits = set.fold(rows);
  return std::all_of(buckets.begin(), buckets.end(), [&](uint32_t bucket) {
    const uint32_t row = filter_row(bucket, rows);
    return (bits[row / 64] >> (row % 64) & 1) != 0;
  });
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("grams: a needle needs four bytes, or six where the first four are digits") {
    CHECK(gram_buckets("").empty());
    CHECK(gram_buckets("abc").empty());
    CHECK(gram_buckets("abcd").size() == 1);
    CHECK(gram_buckets("abcde").size() == 2);
    CHECK(gram_buckets("1234").empty());
    CHECK(gram_buckets("12345").empty());
    CHECK(gram_buckets("123456").size() == 1);
    CHECK(gram_buckets("1234567").size() == 2);
    CHECK(gram_buckets("1234ab").size() == 3);  // 1234ab 234a 34ab
    CHECK(gram_buckets("x1234").size() == 1);   // x123
    CHECK(gram_buckets("aaaaaaaa").size() == 1);
  }

  TEST_CASE("grams: letters of either case are one, other bytes are not") {
    CHECK(gram_buckets("ErRoR") == gram_buckets("error"));
    CHECK(gram_buckets("[AB]") != gram_buckets("{ab}"));
    CHECK(gram_buckets("\xc3\x84 bcd") != gram_buckets("\xc3\xa4 bcd"));
  }

  TEST_CASE("grams: the rows of a filter keep at most half of the bits set") {
    for (size_t set : {0, 1, 50, 300, 5'000, 20'000, 50'000, 100'000, 262'144}) {
      const uint32_t rows = filter_rows(set);
      CAPTURE(set);
      CAPTURE(rows);
      CHECK(is_filter_rows(rows));
      if (rows < 1 << 17) CHECK(set <= rows * 0.71);
      if (rows > 6144) CHECK(set > rows * 0.42);
    }
    CHECK(is_filter_rows(6144));
    CHECK_FALSE(is_filter_rows(3072));
    CHECK_FALSE(is_filter_rows(0));
    CHECK_FALSE(is_filter_rows(5000));
  }

  TEST_CASE("grams: every part of a text is found, in whatever number of rows") {
    for (uint64_t seed = 1; seed <= 300; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string text(random() % 3000, ' ');
      for (char& c : text) {
        static constexpr std::string_view kBytes = "0123456789abcXYZ-\xc3\xa4\xff\0{";
        c = random() % 3 == 0 ? static_cast<char>(random()) : kBytes[random() % kBytes.size()];
      }
      GramSet set;
      set.add_text(text);
      const uint32_t rows = filter_rows(set.count());
      for (int i = 0; i < 100 && !text.empty(); ++i) {
        const size_t from = random() % text.size();
        std::string needle = text.substr(from, random() % 20);
        for (char& c : needle)
          if (random() % 2 == 0 && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) c = static_cast<char>(c ^ 0x20);
        CHECK(holds(set, gram_buckets(needle), rows));
      }
    }
  }

  TEST_CASE("grams: of a text exactly its grams are marked, whatever the processor can") {
    for (uint64_t seed = 1; seed <= 300; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string text(seed < 40 ? seed - 1 : 1000 + random() % 2100, ' ');  // about one piece of gram_marks.cc, or two
      for (char& c : text) {
        static constexpr std::string_view kBytes = "0123456789012345abXYZ[@/:`{\xff";
        c = random() % 5 == 0 ? static_cast<char>(random()) : kBytes[random() % kBytes.size()];
      }
      std::vector<uint64_t> expected(kGramBuckets / 64), found = expected, plain = expected;
      for (uint32_t bucket : gram_buckets(text)) expected[bucket / 64] |= uint64_t{1} << (bucket % 64);
      mark_grams(text, found.data());
      mark_grams_plainly(text, plain.data());
      CHECK(found == expected);
      CHECK(plain == expected);
    }
  }

  TEST_CASE("grams: names and values of metadata are told apart exactly") {
    GramSet set;
    set.add_metadata("trace", "1a");
    const uint32_t rows = filter_rows(set.count());
    CHECK(holds(set, metadata_buckets("trace", "1a"), rows));
    CHECK_FALSE(holds(set, metadata_buckets("trace", "1A"), rows));
    CHECK_FALSE(holds(set, metadata_buckets("trac", "e1a"), rows));
    CHECK_FALSE(holds(set, metadata_buckets("trace", ""), rows));
  }
}
