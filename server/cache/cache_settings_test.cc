#include "server/cache/cache_settings.h"

#include <doctest/doctest.h>

using namespace server;

namespace {

struct Read {
  CacheSettings cache;
  std::string errors;
};

Read read(std::string_view text, StoreKind kind = StoreKind::kBucket) {
  auto document = *pipeline::ConfigDocument::parse(text, "server.toml");
  Read out{read_cache(document.root().table("cache"), "/data/cache", kind), ""};
  if (auto finished = document.finish(); !finished) out.errors = finished.error().message;
  return out;
}

}  // namespace

TEST_SUITE("cache") {
  TEST_CASE("cache: a bucket is cached in memory and on disk unless it is said otherwise, files are not") {
    Read bucket = read("");
    CHECK(bucket.errors == "");
    CHECK(bucket.cache.memory_bytes == 32 << 20);
    CHECK(bucket.cache.disk_bytes == uint64_t{10} << 30);
    CHECK(bucket.cache.disk_folder == "/data/cache");
    CHECK(bucket.cache.memcached.servers.empty());
    Read local = read("", StoreKind::kLocal);
    CHECK(local.cache.memory_bytes == 0);
    CHECK(local.cache.disk_bytes == 0);
    CHECK(local.cache.results_bytes == 16 << 20);
    Read chosen = read(R"([cache]
memory = "64MiB"
disk = "1GiB"
disk_folder = "/nvme"
results = "0"
memcached = ["a:1", "b"]
memcached_timeout = "50ms")",
                       StoreKind::kLocal);
    CHECK(chosen.errors == "");
    CHECK(chosen.cache.disk_bytes == 1 << 30);
    CHECK(chosen.cache.results_bytes == 0);
    CHECK(chosen.cache.memcached.servers.size() == 2);
    CHECK(chosen.cache.memcached.timeout == std::chrono::milliseconds(50));
  }

  TEST_CASE("cache: wrong settings are named with their place and a remedy") {
    CHECK(
        read("[cache]\nmemcached = [\"a:x\"]").errors ==
        "server.toml:2:13: \"a:x\" is not HOST or HOST:PORT; write memcached = [\"cache-1:11211\", \"cache-2:11211\"]");
    CHECK(read("[cache]\ndisk = \"1KiB\"").errors.find("disk is too small for blocks of 1MiB") != std::string::npos);
    CHECK(read("[cache]\nmemcached_timeout = \"0\"").errors.find("between 1ms and 10s") != std::string::npos);
    CHECK(read("[cache]\nmemcached_expires = \"40d\"").errors.find("memcached_expires must lie") != std::string::npos);
    CHECK(read("[cache]\nmemoryy = 1").errors.find("did you mean \"memory\"") != std::string::npos);
  }
}
