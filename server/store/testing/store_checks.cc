#include "server/store/testing/store_checks.h"

#include <atomic>
#include <doctest/doctest.h>
#include <random>
#include <thread>

namespace server {

using pipeline::concat;
using pipeline::Errc;

namespace {

std::string random_bytes(uint64_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes;
  while (bytes.size() < size) {
    const uint64_t number = random();
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

void check_object_store(ObjectStore& store, const std::string& folder) {
  const std::string a = concat(folder, "/a.lseg"), b = concat(folder, "/b c+d%41~é.lseg");
  CHECK(store.list(folder) == std::vector<std::string>());
  {
    auto upload = *store.create(a);
    REQUIRE(upload->append("abc"));
    CHECK(store.list(folder) == std::vector<std::string>());
    REQUIRE(upload->append("def"));
    auto committed = upload->commit();
    REQUIRE_MESSAGE(committed, (committed ? "" : committed.error().message));
  }
  {
    auto given_up = *store.create(b);
    REQUIRE(given_up->append("xyz"));
  }
  CHECK(store.list(folder) == std::vector<std::string>{a});
  std::string out = "old";
  REQUIRE(store.get_range(a, 1, 4, out));
  CHECK(out == "bcde");
  REQUIRE(store.get_range(a, 0, 6, out));
  CHECK(out == "abcdef");
  REQUIRE(store.get_range(a, 5, 1, out));
  CHECK(out == "f");
  REQUIRE(store.get_range(a, 2, 0, out));
  CHECK(out.empty());
  CHECK(store.size(a) == 6);
  CHECK(store.get_range(a, 3, 4, out).error().code == Errc::kCorrupt);
  CHECK(store.get_range(a, 6, 1, out).error().code == Errc::kCorrupt);
  CHECK(store.get_range(a, 100, 1, out).error().code == Errc::kCorrupt);
  CHECK(store.get_range(b, 0, 1, out).error().code == Errc::kNotFound);
  CHECK(store.get_range(b, 0, 1, out).error().message.find(b) != std::string::npos);
  CHECK(store.size(b).error().code == Errc::kNotFound);
  auto again = store.put(a, "again");
  CHECK(again.error().code == Errc::kInvalid);
  CHECK(again.error().message.find(a) != std::string::npos);
  REQUIRE(store.get_range(a, 0, 6, out));
  CHECK(out == "abcdef");

  REQUIRE(store.put(b, "with odd letters in its name"));
  REQUIRE(store.get_range(b, 5, 3, out));
  CHECK(out == "odd");
  const std::string beside = concat(folder, "-beside/c.lseg");
  REQUIRE(store.put(beside, "beside"));
  CHECK(store.list(folder) == std::vector<std::string>{a, b});
  CHECK(store.list(concat(folder, "-beside")) == std::vector<std::string>{beside});
  CHECK(store.list(concat(folder, "-other"))->empty());
  for (const std::string& key : {a, b, beside}) {
    REQUIRE(store.remove(key));
    REQUIRE(store.remove(key));
  }
  CHECK(store.list(folder) == std::vector<std::string>());
  CHECK(store.list(concat(folder, "-beside")) == std::vector<std::string>());
}

void check_large_objects(ObjectStore& store, const std::string& folder, uint64_t bytes) {
  const std::string key = concat(folder, "/large.lseg"), other = concat(folder, "/unfinished.lseg");
  const std::string content = random_bytes(bytes, 7);
  {
    auto upload = *store.create(key);
    for (size_t at = 0; at < content.size(); at += 1'000'003)
      REQUIRE(upload->append(std::string_view(content).substr(at, 1'000'003)));
    auto committed = upload->commit();
    REQUIRE_MESSAGE(committed, (committed ? "" : committed.error().message));
  }
  CHECK(store.size(key) == content.size());
  std::mt19937_64 random(8);
  std::string out;
  for (int i = 0; i < 20; ++i) {
    const uint64_t offset = random() % content.size();
    const uint64_t length = std::min<uint64_t>(content.size() - offset, 1 + random() % 3'000'000);
    CAPTURE(offset);
    CAPTURE(length);
    REQUIRE(store.get_range(key, offset, length, out));
    CHECK((out == std::string_view(content).substr(offset, length)));
  }
  CHECK(store.put(key, "again").error().code == Errc::kInvalid);
  {
    auto given_up = *store.create(other);
    REQUIRE(given_up->append(content));
  }
  CHECK(store.list(folder) == std::vector<std::string>{key});
  REQUIRE(store.remove_unfinished(folder));
  CHECK(store.remove_unfinished(folder) == 0);
  CHECK(store.list(folder) == std::vector<std::string>{key});
  {
    auto cut_off = *store.create(other);
    REQUIRE(cut_off->append(content));
    REQUIRE(store.abandon(other));
  }
  CHECK(store.list(folder) == std::vector<std::string>{key});
  REQUIRE(store.abandon(key));
  REQUIRE(store.abandon(key));
  CHECK(store.list(folder)->empty());
}

void check_many_threads(ObjectStore& store, const std::string& folder, int threads) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      for (unsigned i = 0; i < 5; ++i) {
        const std::string key = concat(folder, "/", t, "-", i, ".lseg");
        const std::string content = random_bytes(100'000 + i, static_cast<unsigned>(t) * 100 + i);
        std::string out;
        if (!store.put(key, content)) ++wrong;
        for (uint64_t at = 0; at < 100'000; at += 25'000) {
          if (!store.get_range(key, at, 25'000, out) || out != content.substr(at, 25'000)) ++wrong;
        }
        if (i % 2 == 0 && !store.remove(key)) ++wrong;
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  CHECK(wrong == 0);
  auto left = store.list(folder);
  REQUIRE(left);
  CHECK(left->size() == static_cast<size_t>(threads) * 2);
  for (const std::string& key : *left) REQUIRE(store.remove(key));
}

}  // namespace server
