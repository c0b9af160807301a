#include "agent/source/sleeping_files.h"

#include <doctest/doctest.h>
#include <map>
#include <random>

#include "agent/source/testing/temp_folder.h"

using namespace agent;

TEST_SUITE("source") {
  TEST_CASE("source: ids are found by what they stand for, whatever comes and goes") {
    std::mt19937_64 random(20261123);
    std::map<FileId, uint64_t> hashes;
    IdIndex index([&](FileId id) { return hashes.at(id); });
    for (int i = 0; i < 30'000; ++i) {
      const FileId id{random() % 3000 + 1};
      if (hashes.contains(id)) {
        index.remove(id);
        hashes.erase(id);
      } else {
        hashes[id] = random() % 2000;  // some have the same
        index.add(id);
      }
      if (i % 100 != 0) continue;
      for (const auto& [known, hash] : hashes) {
        size_t found = 0;
        index.visit(hash, [&, wanted = known](FileId other) { found += other == wanted ? 1 : 0; });
        REQUIRE(found == 1);
      }
    }
  }
}
