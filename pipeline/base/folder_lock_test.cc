#include "pipeline/base/folder_lock.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <unistd.h>

namespace pipeline {
TEST_SUITE("base") {
  TEST_CASE("folder lock: a second taker is told the pid of the first, and gets it when that one lets go") {
    char name[] = "/tmp/folder_lock.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    std::string folder = name;
    CHECK(FolderLock::holder(folder) == std::nullopt);
    {
      auto first = FolderLock::acquire(folder);
      REQUIRE(first);
      auto second = FolderLock::acquire(folder);
      REQUIRE(!second);
      CHECK(second.error() ==
            Error{Errc::kUnavailable, concat(folder, "/LOCK: the folder is in use by process ", ::getpid())});
      CHECK(FolderLock::holder(folder) == std::to_string(::getpid()));
      CHECK(FolderLock::holder(folder).has_value());  // asking has not let go of it
    }
    CHECK(FolderLock::holder(folder) == std::nullopt);
    CHECK(FolderLock::acquire(folder));
    std::filesystem::remove_all(folder);
    CHECK(FolderLock::acquire(folder).error().code == Errc::kNotFound);
  }
}
}  // namespace pipeline
