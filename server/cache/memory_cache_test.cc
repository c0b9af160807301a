#include "server/cache/memory_cache.h"

#include <doctest/doctest.h>
#include <thread>

using namespace server;
using pipeline::Hash128;

namespace {
Hash128 key(int number) { return pipeline::hash128(std::to_string(number)); }
CachedText text(size_t bytes, char c = 'x') { return std::make_shared<const std::string>(bytes, c); }
}  // namespace

TEST_SUITE("cache") {
  TEST_CASE("cache: memory holds what was put in, up to its limit") {
    pipeline::Registry registry;
    MemoryCache cache(10'000, "t", registry);
    for (int i = 0; i < 100; ++i) {
      cache.put(key(i), text(1000));
      CHECK(cache.size_bytes() <= 10'000);
    }
    CHECK(cache.find(key(99)) != nullptr);
    CHECK(cache.find(key(0)) == nullptr);
    cache.put(key(200), text(20'000));
    CHECK(cache.find(key(200)) == nullptr);
    CHECK(registry.render().find("skidway_server_cache_evictions_total{tier=\"t\"} 92") != std::string::npos);
  }

  TEST_CASE("cache: a scan over everything leaves what is asked for often") {
    pipeline::Registry registry;
    MemoryCache cache(20'000, "t", registry);
    for (int i = 0; i < 5; ++i) cache.put(key(i), text(1000));
    for (int round = 0; round < 6; ++round)
      for (int i = 0; i < 5; ++i) CHECK(cache.find(key(i)) != nullptr);
    for (int i = 1000; i < 3000; ++i) {
      if (!cache.find(key(i))) cache.put(key(i), text(1000));
    }
    int left = 0;
    for (int i = 0; i < 5; ++i) left += cache.find(key(i)) != nullptr;
    CHECK(left == 5);
  }

  TEST_CASE("cache: removed is removed, and a cache of nothing keeps nothing") {
    pipeline::Registry registry;
    MemoryCache cache(10'000, "t", registry), nothing(0, "n", registry);
    cache.put(key(1), text(10));
    cache.remove(key(1));
    cache.remove(key(2));
    CHECK(cache.find(key(1)) == nullptr);
    CHECK(cache.size_bytes() == 0);
    nothing.put(key(1), text(0));
    CHECK(nothing.find(key(1)) == nullptr);
  }

  TEST_CASE("cache: several threads put, find and remove") {
    pipeline::Registry registry;
    MemoryCache cache(50'000, "t", registry);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2000; ++i) {
          const int n = (i * 7 + t) % 100;
          if (CachedText found = cache.find(key(n))) {
            if ((*found)[0] != static_cast<char>('a' + n % 26)) std::abort();
          } else {
            cache.put(key(n), text(1000, static_cast<char>('a' + n % 26)));
          }
          if (i % 50 == 0) cache.remove(key(n));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(cache.size_bytes() <= 50'000);
  }
}
