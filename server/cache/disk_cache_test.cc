#include "server/cache/disk_cache.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <thread>

#include "pipeline/base/concat.h"
#include "pipeline/base/testing/forgetful_files.h"

using namespace server;
using pipeline::concat;

namespace {

BlockId block(int object, uint32_t number = 0) { return {pipeline::hash128(std::to_string(object)), number}; }
std::string bytes_of(int object, uint32_t number = 0, size_t length = 1000) {
  return std::string(length, static_cast<char>('a' + (object + static_cast<int>(number)) % 26));
}

// A real folder that goes with the test.
struct Folder {
  Folder() {
    char name[] = "/tmp/disk_cache_test.XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::vector<std::filesystem::path> all_files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file()) out.push_back(entry.path());
    return out;
  }
  std::unique_ptr<DiskCache> open(uint64_t limit, uint64_t keep_free = 0) {
    auto cache = DiskCache::open(*files, {path, limit, keep_free}, registry);
    REQUIRE(cache.has_value());
    return *std::move(cache);
  }
  std::string path;
  std::unique_ptr<pipeline::FileSystem> files = pipeline::system_files();
  pipeline::Registry registry;
};

}  // namespace

TEST_SUITE("cache") {
  TEST_CASE("cache: the disk holds blocks up to its limit, and still after a restart") {
    Folder folder;
    {
      auto cache = folder.open(10'000);
      for (int i = 0; i < 50; ++i) {
        cache->put(block(i), bytes_of(i));
        CHECK(cache->size_bytes() <= 10'000);
      }
      CHECK(cache->find(block(49)) == bytes_of(49));
      CHECK_FALSE(cache->find(block(0)));
    }
    CHECK(folder.all_files().size() == 10);
    auto again = folder.open(10'000);
    CHECK(again->size_bytes() == 10'000);
    CHECK(again->find(block(49)) == bytes_of(49));
    again.reset();
    auto smaller = folder.open(3'000);
    CHECK(smaller->size_bytes() == 3'000);
    CHECK(folder.all_files().size() == 3);
  }

  TEST_CASE("cache: a damaged, cut or foreign file is a miss, at every byte") {
    Folder folder;
    for (size_t at = 0; at < 28; ++at) {
      auto cache = folder.open(10'000);
      cache->put(block(1), bytes_of(1, 0, 20));
      auto all = folder.all_files();
      REQUIRE(all.size() == 1);
      {
        std::fstream file(all[0], std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(at));
        file.put('\x7f');
      }
      CHECK_FALSE(cache->find(block(1)));
      CHECK(cache->size_bytes() == 0);
      CHECK(folder.all_files().empty());
      cache->put(block(1), bytes_of(1, 0, 20));
      std::filesystem::resize_file(folder.all_files().at(0), at);
      CHECK_FALSE(cache->find(block(1)));
    }
    std::filesystem::create_directories(folder.path + "/ab");
    std::ofstream(folder.path + "/ab/keep me") << "x";
    auto cache = folder.open(10'000);
    CHECK(cache->size_bytes() == 0);
    CHECK(folder.all_files().size() == 1);
  }

  TEST_CASE("cache: a file under another block's name is no block of that") {
    Folder folder;
    auto cache = folder.open(10'000);
    cache->put(block(1, 0), bytes_of(1));
    cache->put(block(1, 1), bytes_of(5));
    auto all = folder.all_files();
    REQUIRE(all.size() == 2);
    std::filesystem::copy_file(all[0], all[1], std::filesystem::copy_options::overwrite_existing);
    CHECK((!cache->find(block(1, 0)) || !cache->find(block(1, 1))));
  }

  TEST_CASE("cache: an object that is removed leaves no bytes behind") {
    Folder folder;
    auto cache = folder.open(100'000);
    for (uint32_t i = 0; i < 5; ++i) cache->put(block(1, i), bytes_of(1, i));
    cache->put(block(2), bytes_of(2));
    cache->remove_object(block(1).object);
    CHECK(folder.all_files().size() == 1);
    CHECK(cache->find(block(2)).has_value());
  }

  TEST_CASE("cache: a full disk throws out old blocks, and nobody notices") {
    pipeline::ForgetfulFiles files;
    pipeline::Registry registry;
    auto cache = *DiskCache::open(files, {"/cache", 1'000'000, 0}, registry);
    for (int i = 0; i < 20; ++i) cache->put(block(i), bytes_of(i));
    files.fill_disk_after(0);
    for (int i = 100; i < 110; ++i) {
      cache->put(block(i), bytes_of(i));
      CHECK_FALSE(cache->find(block(i)));
    }
    CHECK(cache->size_bytes() == 0);  // eight for each that failed
    files.fill_disk_after(1'000'000);
    cache->put(block(200), bytes_of(200));
    CHECK(cache->find(block(200)) == bytes_of(200));
  }

  TEST_CASE("cache: room on the disk that others need is left to them") {
    pipeline::ForgetfulFiles files;
    pipeline::Registry registry;
    const auto free = files.free_bytes("/");
    REQUIRE(free.has_value());
    auto cache = *DiskCache::open(files, {"/cache", 1'000'000, *free}, registry);
    cache->put(block(1), bytes_of(1));
    CHECK_FALSE(cache->find(block(1)));  // all that is free is to be kept free
  }

  TEST_CASE("cache: whatever operation of the disk fails, what is found is what was put in") {
    for (uint64_t n = 256; n < 256 + 60; ++n) {  // the folders are made before
      pipeline::ForgetfulFiles files;
      pipeline::Registry registry;
      auto cache = *DiskCache::open(files, {"/cache", 5'000, 0}, registry);
      files.fail_at(n);
      for (int i = 0; i < 12; ++i) {
        cache->put(block(i), bytes_of(i));
        if (auto found = cache->find(block(i))) CHECK(*found == bytes_of(i));
      }
      CHECK(cache->size_bytes() <= 5'000);
    }
  }

  TEST_CASE("cache: several threads share a disk") {
    Folder folder;
    auto cache = folder.open(30'000);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          const int n = i * 7 % 60;
          if (auto found = cache->find(block(n))) {
            if (*found != bytes_of(n)) std::abort();
          } else {
            cache->put(block(n), bytes_of(n));
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(cache->size_bytes() <= 30'000);
  }
}
