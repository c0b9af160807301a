#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <random>

#include "pipeline/match/line_splitter.h"
#include "pipeline/match/literal_search.h"

TEST_SUITE_BEGIN("match");

using namespace pipeline;

TEST_CASE("literal search: finds what std::string_view::find finds, on random pages") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 4000; ++round) {
    size_t size = random() % 400;
    auto exact = std::make_unique<char[]>(size);  // no byte to spare: a sanitizer sees reads outside
    unsigned letters = random() % 3 == 0 ? 2 : 26;
    for (size_t i = 0; i < size; ++i) exact[i] = static_cast<char>('a' + random() % letters);
    std::string_view page(exact.get(), size);
    std::string literal;
    if (size > 0 && random() % 2 == 0) {
      size_t begin = random() % size;
      literal = page.substr(begin, random() % 40 + 1);
    } else {
      for (size_t n = random() % 6; n > 0; --n) literal += static_cast<char>('a' + random() % letters);
    }
    LiteralSearcher searcher(literal);
    size_t from = random() % (size + 2);
    INFO("literal ", literal, " page ", std::string(page), " from ", from);
    REQUIRE(searcher.find(page, from) == page.find(literal, from));
    if (literal.empty()) continue;
    std::vector<uint32_t> all, expected;
    searcher.find_all(page, all);
    for (size_t at = page.find(literal); at != page.npos; at = page.find(literal, at + 1)) {
      expected.push_back(static_cast<uint32_t>(at));
    }
    REQUIRE(all == expected);
  }
}

TEST_CASE("literal search: ignores the case of ASCII letters only") {
  LiteralSearcher searcher("Err[0]", Case::kIgnoreAscii);
  CHECK(searcher.find("xx ERR[0]") == 3);
  CHECK(searcher.find("xx err[0]") == 3);
  CHECK(searcher.find("xx err{0}") == LiteralSearcher::npos);  // [ and { differ by the case bit
  std::string page(1000, 'E');
  page += "rR[0]";
  CHECK(searcher.find(page) == 999);
  CHECK(LiteralSearcher("@", Case::kIgnoreAscii).find("``````````````````````````````````````````````@") == 46);
}

TEST_CASE("line splitter: finds the newlines memchr finds, on random pages") {
  unsigned seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    size_t size = random() % 700;
    auto exact = std::make_unique<char[]>(size);
    unsigned rarity = 1 + random() % 40;
    for (size_t i = 0; i < size; ++i) exact[i] = random() % rarity == 0 ? '\n' : 'x';
    std::string_view text(exact.get(), size);
    std::vector<uint32_t> expected{7}, ends{7};
    for (const char* at = exact.get(); size > 0;) {
      at = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(exact.get() + size - at)));
      if (at == nullptr) break;
      expected.push_back(static_cast<uint32_t>(at++ - exact.get()));
      if (at == exact.get() + size) break;
    }
    find_newlines(text, ends);
    REQUIRE(ends == expected);
    REQUIRE(count_newlines(text) == expected.size() - 1);
  }
}

TEST_SUITE_END();
