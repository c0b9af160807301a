#include "server/store/columns.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>
#include <set>
#include <tuple>

using namespace server;

namespace {

using Row = std::tuple<UnixNanos, std::string, std::string>;

std::vector<Row> rows(const EntrySlice& entries) {
  std::vector<Row> out;
  for (size_t i = 0; i < entries.size(); ++i) {
    out.emplace_back(entries.time(i), entries.line(i), entries.metadata(i).encoded());
  }
  return out;
}

std::string encoded(std::vector<MetadataPair> pairs) {
  std::string out;
  append_metadata(out, pairs);
  return out;
}

}  // namespace

TEST_SUITE("server/store") {
  TEST_CASE("columns: hand back what was appended, empty lines and late metadata included") {
    EntryColumns columns;
    columns.append(3, "first line");
    columns.append(1, "");
    columns.append(2, "third", std::vector<MetadataPair>{{"trace", "abc"}, {"pod", "p-1"}, {"trace", "xyz"}});
    columns.append(4, "fourth");
    REQUIRE(columns.size() == 4);
    CHECK(columns.min_time() == 1);
    CHECK(columns.max_time() == 4);
    CHECK(columns.line_bytes() == 21);
    CHECK(rows(columns) == std::vector<Row>{{3, "first line", ""},
                                            {1, "", ""},
                                            {2, "third", encoded({{"pod", "p-1"}, {"trace", "xyz"}})},
                                            {4, "fourth", ""}});
    CHECK(columns.slice().metadata(2).find("trace") == "xyz");
    CHECK_FALSE(columns.slice().metadata(2).find("none"));
    CHECK(columns.slice().metadata(0).empty());
    columns.clear();
    CHECK(columns.empty());
    CHECK(columns.strictly_rising());
  }

  TEST_CASE("columns: slices of slices can be appended to columns with and without metadata") {
    EntryColumns plain, rich;
    for (int i = 0; i < 5; ++i) plain.append(i, std::string(static_cast<size_t>(i), 'x'));
    for (int i = 5; i < 9; ++i) rich.append(i, "y", std::vector<MetadataPair>{{"n", "1"}});
    EntryColumns joined;
    joined.append(plain.slice(1, 3));
    joined.append(rich.slice().slice(1, 4).slice(1, 2));
    joined.append(plain.slice(4, 5));
    CHECK(rows(joined) ==
          std::vector<Row>{{1, "x", ""}, {2, "xx", ""}, {7, "y", encoded({{"n", "1"}})}, {4, "xxxx", ""}});
    CHECK_FALSE(joined.strictly_rising());
  }

  TEST_CASE("columns: sorting is stable and drops repeated entries, as an obvious slow way does") {
    for (uint64_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      EntryColumns columns;
      std::vector<Row> expected;
      size_t n = random() % 60;
      uint64_t span = 1 + random() % 30;
      for (size_t i = 0; i < n; ++i) {
        auto time = static_cast<UnixNanos>(random() % span);
        std::string line(random() % 3, 'a');
        std::vector<MetadataPair> metadata;
        if (random() % 4 == 0) metadata.emplace_back("k", "v");
        columns.append(time, line, metadata);
        Row row{time, line, encoded(metadata)};
        if (std::find(expected.begin(), expected.end(), row) == expected.end()) expected.push_back(row);
      }
      std::stable_sort(expected.begin(), expected.end(),
                       [](const Row& a, const Row& b) { return std::get<0>(a) < std::get<0>(b); });
      size_t removed = columns.sort_and_dedup();
      CHECK(rows(columns) == expected);
      CHECK(removed == n - expected.size());
    }
  }
}
