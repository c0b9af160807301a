// Files written by old versions must open for ever and hold what was written.
#include <cstdlib>
#include <doctest/doctest.h>

#include "tests/golden/golden_entries.h"

TEST_SUITE("golden") {
  TEST_CASE("golden: an object of version 1 opens and holds what was written") {
    const char* folder = std::getenv("GOLDEN_FOLDER");
    REQUIRE_MESSAGE(folder != nullptr, "run by meson test, or with GOLDEN_FOLDER=tests/golden");
    auto files = pipeline::system_files();
    auto store = server::open_local_store(*files, folder);
    REQUIRE(store);
    auto object = server::ObjectReader::open(**store, "object_v1.lseg");
    REQUIRE_MESSAGE(object, object.error().message);
    auto expected = golden::entries();
    auto found = server::read_entries(*object);
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(*found == expected);

    CHECK((*object)->cluster() == golden::kCluster);
    CHECK((*object)->inputs() == golden::kInputs);
    CHECK((*object)->producers() == golden::kProducers);
    const server::ObjectSummary& summary = (*object)->summary();
    CHECK(summary.object == golden::kObject);
    CHECK(summary.level == 2);
    CHECK(summary.tenants == std::vector<std::string>{"", "fake"});
    CHECK(summary.rows == expected.size());
    CHECK(summary.streams == 3);
    CHECK(summary.min_time == -1);
    CHECK(summary.max_time == expected.back().time);
    CHECK((*object)->pages().size() == 4);
  }
}
