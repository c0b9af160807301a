#include "pipeline/base/testing/forgetful_files.h"

#include <doctest/doctest.h>

using namespace pipeline;

namespace {

std::string content(ForgetfulFiles& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return concat("<", errc_name(file.error().code), ">");
  return *(*file)->read(0, 1000);
}

}  // namespace

TEST_SUITE("base") {
  TEST_CASE("forgetful files: forget what was not synced when the power is cut") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders("/data/wal"));
    auto kept = files.create("/data/wal/kept");
    auto unnamed = files.create("/data/wal/unnamed");
    REQUIRE((*kept)->append("synced"));
    REQUIRE((*kept)->sync());
    REQUIRE(files.remove("/data/wal/unnamed"));
    REQUIRE(files.sync_folder("/data/wal"));
    auto late = files.create("/data/wal/late");
    REQUIRE((*late)->append("bytes"));
    REQUIRE((*late)->sync());
    REQUIRE((*kept)->append(" and more"));
    CHECK(content(files, "/data/wal/kept") == "synced and more");

    files.restart();
    CHECK(content(files, "/data/wal/kept") == "synced");
    CHECK(files.list("/data/wal") == std::vector<std::string>{"kept"});
    CHECK(files.list("/data") == std::vector<std::string>{"wal"});
    CHECK_FALSE((*kept)->append("from before"));
  }

  TEST_CASE("forgetful files: a rename is forgotten until its folder is synced") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    {
      auto file = files.create("/data/a.part");
      REQUIRE((*file)->append("x"));
      REQUIRE((*file)->sync());
    }
    REQUIRE(files.sync_folder("/data"));
    REQUIRE(files.rename("/data/a.part", "/data/a"));
    SUBCASE("without a sync") {
      files.restart();
      CHECK(files.list("/data") == std::vector<std::string>{"a.part"});
    }
    SUBCASE("with a sync") {
      REQUIRE(files.sync_folder("/data"));
      files.restart();
      CHECK(files.list("/data") == std::vector<std::string>{"a"});
      CHECK(content(files, "/data/a") == "x");
    }
  }

  TEST_CASE("forgetful files: operations fail where they were told to") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));  // operation 0
    files.fail_at(2);
    auto file = files.create("/data/a");
    CHECK_FALSE((*file)->append("abcd"));  // operation 2, torn
    CHECK((*file)->append("ef"));
    CHECK(content(files, "/data/a") == "abef");

    files.cut_power_at(files.operations());
    CHECK_FALSE(files.power_is_off());
    CHECK_FALSE((*file)->sync());
    CHECK(files.power_is_off());
    CHECK_FALSE((*file)->read(0, 1));
    files.restart();
    CHECK(content(files, "/data/a") == "<not_found>");
  }

  TEST_CASE("forgetful files: a full disk takes what fits") {
    ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    auto file = files.create("/data/a");
    files.fill_disk_after(3);
    auto outcome = (*file)->append("abcd");
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == Errc::kOverLimit);
    CHECK(content(files, "/data/a") == "abc");
  }
}
