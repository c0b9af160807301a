#include "server/catalog/catalog_mark.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

#include "pipeline/base/testing/forgetful_files.h"

using namespace server;
using pipeline::Errc;

namespace {

constexpr const char* kPath = "/data/catalog.mark";

bool is(const std::optional<CatalogAge>& age, uint64_t generation, uint64_t version) {
  return age && age->cluster == Ulid{7, 8} && age->generation == generation && age->version == version;
}

}  // namespace

TEST_SUITE("server/catalog") {
  TEST_CASE("mark: the last state is read, of many, and nothing where there is none") {
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    CHECK_FALSE(*CatalogMark(files, kPath).read());
    uint64_t version = 0;
    for (int life = 0; life < 3; ++life) {
      CatalogMark mark(files, kPath);
      for (int i = 0; i < 3000; ++i) mark.keep({{7, 8}, 3, ++version});
      CHECK(is(*mark.read(), 3, version));
      CHECK(*(*files.open_to_read(kPath))->size() < 70'000);
    }
    CatalogMark mark(files, kPath);
    REQUIRE(mark.remove());
    CHECK_FALSE(*mark.read());
    REQUIRE(mark.remove());
    mark.keep({{7, 8}, 4, 1});
    CHECK(is(*mark.read(), 4, 1));
  }

  TEST_CASE("mark: after a power cut at any moment it is one of before, or not there") {
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      pipeline::ForgetfulFiles files;
      REQUIRE(files.make_folders("/data"));
      files.cut_power_at(n);
      CatalogMark mark(files, kPath);
      for (uint64_t version = 1; version <= 5; ++version) mark.keep({{7, 8}, 1, version});
      const bool done = !files.power_is_off();
      files.restart(n);
      const auto age = *CatalogMark(files, kPath).read();
      CHECK((!age || (is(age, 1, age->version) && age->version <= 5)));
      CatalogMark next(files, kPath);
      next.keep({{7, 8}, 2, 6});
      CHECK(is(*next.read(), 2, 6));
      if (done) break;
    }
  }

  TEST_CASE("mark: while the disk is full it stays behind, and is right again afterwards") {
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    CatalogMark mark(files, kPath);
    mark.keep({{7, 8}, 1, 1});
    files.fill_disk_after(0);
    mark.keep({{7, 8}, 1, 2});
    mark.keep({{7, 8}, 1, 3});
    CHECK(is(*mark.read(), 1, 1));
    files.restart();
    mark.keep({{7, 8}, 1, 4});
    CHECK(is(*mark.read(), 1, 4));
  }

  TEST_CASE("mark: every state of a catalogue but the last is refused, another cluster's is not looked at") {
    char folder[] = "/tmp/skidway-mark-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/catalog.db";
    pipeline::FakeClock clock;
    pipeline::ForgetfulFiles files;
    REQUIRE(files.make_folders("/data"));
    CatalogMark mark(files, kPath);
    std::vector<std::string> copies;
    std::unique_ptr<Catalog> catalog;
    auto open = [&](const std::string& from) {
      CatalogOptions options;
      options.path = from;
      options.changed = [&](const CatalogAge& age) { mark.keep(age); };
      catalog = *open_sqlite_catalog(std::move(options), clock);
    };
    auto keep_copy = [&] {
      catalog.reset();
      copies.push_back(path + std::to_string(copies.size()));
      std::filesystem::copy_file(path, copies.back());
      open(path);
    };
    open(path);
    keep_copy();
    REQUIRE(catalog->raise_generation());
    keep_copy();
    REQUIRE(catalog->add_delete({.id = "a"}));
    keep_copy();
    REQUIRE(catalog->cancel_delete(1));
    keep_copy();
    REQUIRE(catalog->commit_l0({}, {}, 17));
    CHECK(check_mark(mark, *catalog));
    for (const std::string& copy : copies) {
      CAPTURE(copy);
      open(copy);
      CHECK(check_mark(mark, *catalog).error().code == Errc::kInvalid);
    }
    open(path + ".other");
    CHECK(check_mark(mark, *catalog));
    open(path);
    CHECK(check_mark(mark, *catalog));
    catalog.reset();
    std::filesystem::remove_all(folder);
  }
}
