#include "agent/source/successor.h"

#include <doctest/doctest.h>
#include <filesystem>

#include "agent/source/testing/gzip_write.h"

using namespace agent;
using namespace agent::testing;

namespace {
std::string lines(const std::string& name, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += name + " " + std::to_string(i) + "\n";
  return text;
}

FileIdentity identity_of(const TempFolder& folder, const std::string& name) {
  auto file = *FileHandle::open(folder.at(name));
  return FileIdentity::of(file->status()->key, *file->head());
}

Successors search() {
  return Successors([](InodeKey) { return false; });
}

std::string found(const TempFolder& folder, const std::string& live, const FileIdentity& identity, uint64_t position) {
  auto found = search().find(folder.at(live), identity, position);
  return found ? found->path.substr(folder.path().size() + 1) : "";
}

bool newer(const char* live, const char* a, const char* b) {
  return RotatedName::parse(live, a)->newer_than(*RotatedName::parse(live, b)).value();
}
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: names of rotated files are known as such, and in their order") {
    for (const char* name : {"app.log.1", "app.log.12.gz", "app.log-20261121", "app.log-20261121.gz",
                             "app-20261121.log", "app-20261121.log.gz", "app.log.20261121-101010.gz", "app.log.old",
                             "app.log.2026-11-21_10", "app.log.2026-11-21T10:10:10Z", "app.1.log"})
      CHECK_MESSAGE(RotatedName::parse("app.log", name).has_value(), name);
    for (const char* name : {"app.log", "app.log.gz", "app2.log", "app.log.bak", "app.log.d", "apps.log.1", "app.log.",
                             "app.log.1.bz2", "app.log.1.tmp", "x", "", "app.log1"})
      CHECK_MESSAGE(!RotatedName::parse("app.log", name).has_value(), name);
    CHECK(newer("app.log", "app.log.1", "app.log.2.gz"));
    CHECK_FALSE(newer("app.log", "app.log.10", "app.log.9"));
    CHECK(newer("app.log", "app.log-20261122", "app.log-20261121.gz"));
    CHECK(newer("0.log", "0.log.20261121-101011", "0.log.20261121-101010.gz"));
    CHECK_FALSE(RotatedName::parse("a", "a.1")->newer_than(*RotatedName::parse("a", "a.20261121")).has_value());
  }

  TEST_CASE("source: a file that was compressed is found by its content, among others that look alike") {
    TempFolder folder;
    folder.append("app.log", lines("one", 500));
    FileIdentity identity = identity_of(folder, "app.log");
    folder.rename("app.log", "app.log.2");
    compress(folder, "app.log.2");
    CHECK(found(folder, "app.log", identity, 0) == "app.log.2.gz");
    CHECK(found(folder, "app.log", identity, 6) == "app.log.2.gz");
    CHECK(found(folder, "app.log", identity, 7) == "");  // no line begins there
    CHECK(found(folder, "app.log", identity, 1 << 20) == "");
    folder.append("app.log.1", lines("two", 500));
    compress(folder, "app.log.1");
    CHECK(found(folder, "app.log", identity, 6) == "app.log.2.gz");
    CHECK(found(folder, "other.log", identity, 6) == "");
    folder.append("app.log.3", lines("one", 500));
    CHECK(found(folder, "app.log", identity, 6) == "app.log.3");  // not compressed yet: gzip is still busy
  }

  TEST_CASE("source: a copy is found before the truncated file is asked, and only once") {
    TempFolder folder;
    folder.append("app.log", lines("one", 50));
    FileIdentity identity = identity_of(folder, "app.log");
    copy(folder, "app.log", "app.log.1");
    copy(folder, "app.log", "notes.txt");
    folder.truncate("app.log");
    Successors once = search();
    auto first = once.find(folder.at("app.log"), identity, 6);
    REQUIRE(first.has_value());
    CHECK(first->path == folder.at("app.log.1"));
    CHECK(!once.find(folder.at("app.log"), identity, 6).has_value());
    Successors taken([&](InodeKey key) { return key == first->handle->status()->key; });
    CHECK(!taken.find(folder.at("app.log"), identity, 6).has_value());
    CHECK(!search().find(folder.at("app.log"), FileIdentity{identity.key, 0, 0}, 0).has_value());
  }

  TEST_CASE("source: behind links a rotated file is found in the folder where it lies") {
    TempFolder folder;
    folder.make("containers"), folder.make("pods/p"), folder.make("docker/id");
    folder.append("docker/id/id-json.log", lines("one", 500));
    std::filesystem::create_symlink(folder.at("docker/id/id-json.log"), folder.at("pods/p/0.log"));
    std::filesystem::create_symlink("../pods/p/0.log", folder.at("containers/x.log"));
    FileIdentity identity = identity_of(folder, "containers/x.log");
    folder.rename("docker/id/id-json.log", "docker/id/id-json.log.1");
    folder.append("docker/id/id-json.log", lines("two", 500));
    CHECK(found(folder, "containers/x.log", identity, 6) == "docker/id/id-json.log.1");
    compress(folder, "docker/id/id-json.log.1");
    CHECK(found(folder, "containers/x.log", identity, 6) == "docker/id/id-json.log.1.gz");
  }

  TEST_CASE("source: a compressed file that is damaged is no successor of what lies behind the damage") {
    TempFolder folder;
    folder.append("app.log", lines("one", 50'000));
    FileIdentity identity = identity_of(folder, "app.log");
    std::string text = content_of(folder.at("app.log"));
    std::string packed = pipeline::gzip_compress(text);
    folder.remove("app.log");
    folder.append("app.log.1.gz", packed.substr(0, packed.size() / 2));
    CHECK(found(folder, "app.log", identity, 6) == "app.log.1.gz");
    CHECK(found(folder, "app.log", identity, text.size()) == "");
  }

  TEST_CASE("source: siblings are the rotations of a file, and whether they are read already is said") {
    TempFolder folder;
    for (const char* name : {"app.log", "app.log.1", "app.log.2.gz", "app.log.bak", "app2.log.1"})
      folder.append(name, name);
    auto siblings = search().rotated_siblings(folder.at("app.log"));
    REQUIRE(siblings.size() == 2);
    CHECK_FALSE(siblings[0].taken);
    CHECK(Successors([](InodeKey) { return true; }).rotated_siblings(folder.at("app.log"))[0].taken);
    CHECK(search().name_of(folder.at("app.log"), siblings[0].key).has_value());
    CHECK(!search().name_of(folder.at("app.log"), identity_of(folder, "app.log").key).has_value());
  }
}
