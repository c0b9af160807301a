#include "agent/source/deleted_files.h"

#include <doctest/doctest.h>

using namespace agent;

TEST_SUITE("agent/source") {
  TEST_CASE("source: deleted files over the limit are released oldest first, read ones never") {
    pipeline::Registry metrics;
    DeletedFiles files(100, metrics);
    CHECK(files.hold(FileId{1}, 0));
    CHECK(files.hold(FileId{2}, 60));
    CHECK(files.hold(FileId{3}, 40));
    CHECK(files.hold(FileId{4}, 30));  // the second has to go for it
    CHECK_FALSE(files.hold(FileId{2}, 60));
    CHECK(files.hold(FileId{1}, 0));
    CHECK(files.hold(FileId{3}, 40));
    files.forget(FileId{2});
    CHECK(files.hold(FileId{3}, 10));
    CHECK(files.hold(FileId{5}, 60));
    CHECK(metrics.render().find("skidway_agent_source_deleted_unread_bytes 100") != std::string::npos);
    CHECK_FALSE(files.hold(FileId{6}, 500));  // too large by itself
    CHECK_FALSE(files.hold(FileId{3}, 10));
    files.forget(FileId{6});
    files.forget(FileId{7});
  }
}
