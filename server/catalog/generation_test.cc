#include "server/catalog/generation.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/db/database.h"

using namespace server;
using pipeline::Errc;
using pipeline::FakeClock;
using pipeline::ForgetfulFiles;

namespace {

// Catalogues in files that can be copied and put back, and one store.
struct GenerationFixture {
  GenerationFixture() {
    char path[] = "/tmp/skidway-generation-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    folder = path;
    open();
  }
  ~GenerationFixture() {
    catalog.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string file() const { return folder + "/catalog.db"; }
  void open() {
    auto opened = open_sqlite_catalog({.path = file()}, clock);
    REQUIRE_MESSAGE(opened, opened.error().message);
    catalog = *std::move(opened);
    store = *open_local_store(files, "/data");
  }
  void copy_to(const std::string& name) {
    catalog.reset();
    std::filesystem::copy_file(file(), folder + "/" + name);
    open();
  }
  void put_back(const std::string& name) {
    catalog.reset();
    std::filesystem::copy_file(folder + "/" + name, file(), std::filesystem::copy_options::overwrite_existing);
    open();
  }
  // As a server does when it starts.
  Result<void> start() {
    TRY(check_generation(*store, *catalog, "/data"));
    return claim_generation(*store, *catalog);
  }
  size_t kept() { return store->list(catalog->cluster().text() + "/generations")->size(); }

  std::string folder;
  FakeClock clock;
  ForgetfulFiles files;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<ObjectStore> store;
};

}  // namespace

TEST_SUITE("server/catalog") {
  TEST_CASE("generation: a catalogue that is put back from a copy of an earlier run is known to be older") {
    GenerationFixture fixture;
    CHECK(*fixture.catalog->generation() == 0);
    fixture.copy_to("unused");
    for (uint64_t run = 1; run <= 12; ++run) {
      REQUIRE(fixture.start());
      CHECK(*fixture.catalog->generation() == run);
      CHECK(*store_generation(*fixture.store, fixture.catalog->cluster()) == run);
      CHECK(fixture.kept() <= 2);
      if (run == 9) fixture.copy_to("nine");
    }
    fixture.copy_to("latest");
    for (const char* old : {"unused", "nine"}) {
      CAPTURE(old);
      fixture.put_back(old);
      auto refused = fixture.start();
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == Errc::kInvalid);
      CHECK(refused.error().message.find("the store has seen generation 12") != std::string::npos);
    }
    fixture.put_back("latest");
    CHECK(fixture.start());
    CHECK(*fixture.catalog->generation() == 13);
  }

  TEST_CASE("generation: of two servers with copies of one catalogue one is told of the other") {
    GenerationFixture fixture;
    REQUIRE(fixture.start());
    fixture.copy_to("twin");
    auto twin = *open_sqlite_catalog({.path = fixture.folder + "/twin"}, fixture.clock);
    REQUIRE(claim_generation(*fixture.store, *twin));
    auto refused = raise_generation(*fixture.store, *fixture.catalog);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::kInvalid);
    CHECK(refused.error().message.find("does a second server use a copy") != std::string::npos);
  }

  TEST_CASE("generation: a power cut at any moment of a start refuses no sound catalogue, and admits no older one") {
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      GenerationFixture fixture;
      REQUIRE(fixture.start());
      REQUIRE(fixture.start());
      fixture.copy_to("old");
      fixture.files.cut_power_at(n);
      const bool started = bool(fixture.start());
      const bool done = !fixture.files.power_is_off();
      CHECK(started == done);
      fixture.files.restart(n);
      fixture.open();
      auto again = fixture.start();
      REQUIRE_MESSAGE(again, (again ? "" : again.error().message));
      CHECK(fixture.kept() <= 2);
      fixture.put_back("old");
      CHECK_FALSE(fixture.start());
      if (done) break;
    }
  }

  TEST_CASE("generation: catalogues of versions that knew none begin with 0") {
    GenerationFixture fixture;
    fixture.catalog.reset();
    {
      auto db = *pipeline::Database::open(fixture.file(), {});
      REQUIRE(db.execute("DROP TABLE generation"));
    }
    fixture.open();
    CHECK(*fixture.catalog->generation() == 0);
    fixture.copy_to("before");
    REQUIRE(fixture.start());
    fixture.put_back("before");
    CHECK_FALSE(fixture.start());
  }
}
