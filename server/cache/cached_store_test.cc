#include "server/cache/cached_store.h"

#include <atomic>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <thread>

#include "pipeline/base/testing/forgetful_files.h"
#include "server/store/testing/store_checks.h"

using namespace server;

namespace {

// Counts what is read, and fails when told to.
class CountingStore final : public ObjectStore {
 public:
  explicit CountingStore(ObjectStore& store) : store_(store) {}
  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return store_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    ++reads;
    if (failing) return pipeline::fail(pipeline::Errc::kUnavailable, "the store is away");
    return store_.get_range(key, offset, length, out);
  }
  Result<uint64_t> size(const std::string& key) override { return store_.size(key); }
  Result<void> remove(const std::string& key) override { return store_.remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return store_.list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return store_.remove_unfinished(folder); }
  std::atomic<int> reads{0};
  std::atomic<bool> failing{false};

 private:
  ObjectStore& store_;
};

class MapCache final : public RemoteCache {
 public:
  std::optional<std::string> find(std::string_view key) override {
    auto found = values.find(std::string(key));
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  void put(std::string_view key, std::string_view value) override { values[std::string(key)] = value; }
  void remove(std::string_view key) override { values.erase(std::string(key)); }
  std::map<std::string, std::string> values;
};

std::string random_text(std::mt19937_64& random, size_t length) {
  std::string out(length, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

struct Fixture {
  Fixture()
      : text([] {
          std::mt19937_64 random(7);
          return random_text(random, 5 * kBlockBytes + 12'345);
        }()) {
    REQUIRE(plain->put("l0/a", text).has_value());
    cached.note_size("l0/a", text.size());
  }
  std::string read(uint64_t offset, uint64_t length) {
    std::string out;
    REQUIRE(cached.get_range("l0/a", offset, length, out).has_value());
    return out;
  }
  const std::string text;
  pipeline::ForgetfulFiles files;
  pipeline::Registry registry;
  std::unique_ptr<ObjectStore> plain = *open_local_store(files, "/data");
  CountingStore store{*plain};
  MemoryCache memory{16 << 20, "memory", registry};
  std::unique_ptr<DiskCache> disk = *DiskCache::open(files, {"/cache", 64 << 20, 0}, registry);
  MapCache remote;
  CachedStore cached{store, {&memory, disk.get(), &remote}};
};

}  // namespace

TEST_SUITE("cache") {
  TEST_CASE("cache: any range is what the store has, read once") {
    Fixture f;
    std::mt19937_64 random(std::random_device{}());
    for (int i = 0; i < 300; ++i) {
      const uint64_t offset = random() % f.text.size();
      const uint64_t length = random() % std::min<uint64_t>(f.text.size() - offset, 3 * kBlockBytes) + 1;
      REQUIRE(f.read(offset, length) == f.text.substr(offset, length));
    }
    CHECK(f.store.reads <= 6);
    f.store.failing = true;
    CHECK(f.read(0, f.text.size()) == f.text);
  }

  TEST_CASE("cache: neighbours that are missing come in one read") {
    Fixture f;
    CHECK(f.read(100, 4 * kBlockBytes) == f.text.substr(100, 4 * kBlockBytes));
    CHECK(f.store.reads == 1);
    CHECK(f.read(5 * kBlockBytes, 100) == f.text.substr(5 * kBlockBytes, 100));
    CHECK(f.store.reads == 2);
  }

  TEST_CASE("cache: a new program finds on the disk what an earlier one has read") {
    Fixture f;
    (void)f.read(0, f.text.size());
    f.store.failing = true;
    MemoryCache fresh(16 << 20, "fresh", f.registry);
    auto disk = *DiskCache::open(f.files, {"/cache", 64 << 20, 0}, f.registry);
    CachedStore again(f.store, {&fresh, disk.get(), nullptr});
    again.note_size("l0/a", f.text.size());
    std::string out;
    REQUIRE(again.get_range("l0/a", 10, f.text.size() - 10, out).has_value());
    CHECK(out == f.text.substr(10));
  }

  TEST_CASE("cache: the end of an object is found in the shared cache") {
    Fixture f;
    const uint64_t length = 20'000;
    (void)f.read(f.text.size() - length, length);
    REQUIRE(f.remote.values.size() == 1);
    CachedStore other(f.store, {nullptr, nullptr, &f.remote});
    other.note_size("l0/a", f.text.size());
    f.store.failing = true;
    std::string out;
    for (uint64_t part : {length, length - 1, uint64_t{1}}) {
      REQUIRE(other.get_range("l0/a", f.text.size() - part, part, out).has_value());
      CHECK(out == f.text.substr(f.text.size() - part));
    }
    CHECK_FALSE(other.get_range("l0/a", f.text.size() - length - 1, length + 1, out).has_value());
    f.remote.values.begin()->second = "nonsense";
    CHECK_FALSE(other.get_range("l0/a", f.text.size() - length, length, out).has_value());
  }

  TEST_CASE("cache: what is removed is in no tier any more") {
    Fixture f;
    (void)f.read(0, f.text.size());
    (void)f.read(f.text.size() - 100, 100);
    REQUIRE(f.cached.remove("l0/a").has_value());
    CHECK(f.memory.size_bytes() == 0);
    CHECK(f.disk->size_bytes() == 0);
    CHECK(f.remote.values.empty());
    std::string out;
    auto gone = f.cached.get_range("l0/a", 0, 10, out);
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error().code == pipeline::Errc::kNotFound);
  }

  TEST_CASE("cache: writers and merges read past it, and their removals reach it") {
    Fixture f;
    std::string out;
    REQUIRE(f.cached.past_cache().get_range("l0/a", 0, 100, out).has_value());
    CHECK(f.memory.size_bytes() == 0);
    (void)f.read(0, 100);
    REQUIRE(f.cached.past_cache().remove("l0/a").has_value());
    CHECK(f.memory.size_bytes() == 0);
    CHECK(f.disk->size_bytes() == 0);
  }

  TEST_CASE("cache: an error of the store is the reader's, and nothing is kept of it") {
    Fixture f;
    f.store.failing = true;
    std::string out;
    auto failed = f.cached.get_range("l0/a", 0, 100, out);
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().code == pipeline::Errc::kUnavailable);
    f.store.failing = false;
    CHECK(f.read(0, 100) == f.text.substr(0, 100));
  }

  TEST_CASE("cache: a range beyond the end, or of an object never seen, is the store's to answer") {
    Fixture f;
    std::string out;
    CHECK_FALSE(f.cached.get_range("l0/a", f.text.size() - 5, 10, out).has_value());
    CHECK_FALSE(f.cached.get_range("l0/none", 0, 10, out).has_value());
    REQUIRE(f.plain->put("l0/b", "0123456789").has_value());
    REQUIRE(f.cached.get_range("l0/b", 2, 3, out).has_value());
    CHECK(out == "234");
  }

  TEST_CASE("cache: many who miss the same at once get the same bytes, in few reads") {
    Fixture f;
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t i = 0; i < 5; ++i) {
          std::string out;
          const uint64_t offset = i * kBlockBytes + static_cast<uint64_t>(t) * 1000;
          if (!f.cached.get_range("l0/a", offset, kBlockBytes, out) || out != f.text.substr(offset, kBlockBytes))
            ++wrong;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(f.store.reads <= 6);
  }

  TEST_CASE("cache: through it a store does what every store does") {
    pipeline::ForgetfulFiles files;
    pipeline::Registry registry;
    auto plain = *open_local_store(files, "/data");
    MemoryCache memory(16 << 20, "memory", registry);
    CachedStore cached(*plain, {&memory, nullptr, nullptr});
    check_object_store(cached, "checks");
    check_large_objects(cached, "checks", 3 << 20);
    check_many_threads(cached, "checks", 3);
  }
}
