#include "server/cache/memcached.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE("cache") {
  TEST_CASE("cache: memcached servers are written as host, with or without a port") {
    auto plain = parse_memcached_server("cache-1");
    REQUIRE(plain.has_value());
    CHECK(plain->host == "cache-1");
    CHECK(plain->port == 11211);
    auto port = parse_memcached_server("10.0.0.1:25011");
    REQUIRE(port.has_value());
    CHECK(port->port == 25011);
    auto six = parse_memcached_server("[::1]:11212");
    REQUIRE(six.has_value());
    CHECK(six->host == "::1");
    CHECK(six->port == 11212);
    for (const char* wrong : {"", ":11211", "a:", "a:x", "a:70000", "a:0", "[::1", "a b", "http://a:1"})
      CHECK_FALSE(parse_memcached_server(wrong).has_value());
  }

  TEST_CASE("cache: a memcached that is not there is a miss, and soon not even asked") {
    pipeline::SystemClock clock;
    pipeline::Registry registry;
    MemcachedOptions options;
    options.servers = {"127.0.0.1:1"};  // nobody listens there
    options.timeout = std::chrono::milliseconds(50);
    auto cache = *open_memcached(options, clock, registry);
    for (int i = 0; i < 200; ++i) {
      cache->put("key", "value");
      CHECK_FALSE(cache->find("key"));
    }
    cache->remove("key");
    const std::string page = registry.render();
    CHECK(page.find("skidway_server_cache_misses_total{tier=\"memcached\"} 200") != std::string::npos);
    CHECK(page.find("skidway_server_cache_hits_total{tier=\"memcached\"} 0") != std::string::npos);
  }
}
