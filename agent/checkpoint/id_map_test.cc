#include "agent/checkpoint/id_map.h"

#include <doctest/doctest.h>
#include <random>

#include "agent/checkpoint/records.h"

using agent::FileId;
using agent::IdMap;

TEST_SUITE("checkpoint") {
  TEST_CASE("checkpoint: a table by file id answers as a map does, whatever comes and goes") {
    std::mt19937_64 random(20261122);
    for (uint64_t most : {40u, 400u, 40'000u}) {
      IdMap<FileId, uint64_t> table;
      std::map<FileId, uint64_t> map;
      for (int i = 0; i < 20'000; ++i) {
        const FileId id{random() % most + (random() % 8 == 0 ? agent::kFirstStream : 0)};
        switch (random() % 3) {
          case 0: CHECK(table.erase(id) == (map.erase(id) == 1)); break;
          case 1: {
            auto [value, fresh] = table.try_emplace(id);
            CHECK(fresh == map.try_emplace(id).second);
            *value = map[id] = random();
            break;
          }
          default: {
            const uint64_t* value = std::as_const(table).find(id);
            REQUIRE((value != nullptr) == map.contains(id));
            if (value) CHECK(*value == map[id]);
          }
        }
        CHECK(table.size() == map.size());
      }
      std::vector<std::pair<FileId, uint64_t>> all;
      table.for_each([&](FileId id, uint64_t value) { all.emplace_back(id, value); });
      CHECK(all == std::vector<std::pair<FileId, uint64_t>>(map.begin(), map.end()));
    }
  }
}
