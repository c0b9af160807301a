#include "agent/source/sleeping_files.h"

#include <doctest/doctest.h>
#include <map>
#include <random>

#include "agent/source/hash_index.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using namespace agent::testing;

namespace {
// Files as a shard has them when they are read to their end.
struct QuietFiles {
  TempFolder folder;

  std::unique_ptr<TailedFile> make(uint64_t id, const std::string& name, const std::string& lineage) {
    folder.append(name, "one line\n");
    auto handle = FileHandle::open(folder.at(name));
    REQUIRE(handle.has_value());
    OfferedFile file;
    file.handle = *handle;
    file.id = FileId{id};
    file.identity = FileIdentity::of((*handle)->key(), *(*handle)->head());
    file.path = folder.at(name);
    file.lineage = lineage;
    file.birth_order = id * 10;
    file.source = id % 3;
    file.position = 9;
    file.last_read_time = static_cast<int64_t>(id) * 1000;
    file.plain_labels = true;
    auto tailed = std::make_unique<TailedFile>(std::move(file));
    tailed->size_bytes = 9;
    tailed->begun = id % 2 == 0;
    tailed->changed_at = std::chrono::seconds(id * 7);
    return tailed;
  }
};
}  // namespace

TEST_SUITE("source") {
  TEST_CASE("source: ids are found by what they stand for, whatever comes and goes") {
    std::mt19937_64 random(20261123);
    std::map<uint64_t, uint64_t> hashes;
    HashIndex<uint64_t> index([&](uint64_t id) { return hashes.at(id); });
    for (int i = 0; i < 30'000; ++i) {
      const uint64_t id = random() % 3000 + 1;
      if (hashes.contains(id)) {
        index.remove(id);
        hashes.erase(id);
      } else {
        hashes[id] = random() % 2000;  // some have the same
        index.add(id);
      }
      if (i % 100 != 0) continue;
      for (const auto& [known, hash] : hashes) {
        size_t found = 0;
        index.visit(hash, [&, wanted = known](uint64_t other) { found += other == wanted ? 1 : 0; });
        REQUIRE(found == 1);
      }
    }
  }

  TEST_CASE("source: a file that wakes is as it was when it went to sleep") {
    QuietFiles files;
    SleepingFiles sleeping;
    CHECK(sleeping.empty());
    auto tailed = files.make(6, "a.log", "app:a.log");
    const OfferedFile before = tailed->file;
    sleeping.put(std::move(tailed));
    CHECK(sleeping.size() == 1);
    CHECK(sleeping.take(FileId{7}) == nullptr);
    const SleepingFiles::Sleeper* sleeper = sleeping.find(FileId{6});
    REQUIRE(sleeper != nullptr);
    CHECK(sleeper->position == 9);
    CHECK(sleeper->key() == before.identity.key);
    CHECK(sleeper->stage_state() == nullptr);
    auto awake = sleeping.take(FileId{6});
    REQUIRE(awake != nullptr);
    CHECK(sleeping.empty());
    CHECK(sleeping.find(FileId{6}) == nullptr);
    CHECK(awake->file.handle == before.handle);
    CHECK(awake->file.id == before.id);
    CHECK(awake->file.identity == before.identity);
    CHECK(awake->file.path == before.path);
    CHECK(awake->file.lineage == before.lineage);
    CHECK(awake->file.birth_order == 60);
    CHECK(awake->file.source == 0);
    CHECK(awake->file.labels.empty());
    CHECK(awake->file.plain_labels);
    CHECK(awake->cursor.position == 9);
    CHECK(awake->cursor.seen == 9);
    CHECK(awake->size_bytes == 9);
    CHECK(awake->counted_bytes == 9);
    CHECK(awake->last_read_time == 6000);
    CHECK(awake->begun);
    CHECK(awake->changed_at == std::chrono::seconds(42));
    CHECK(awake->path_metrics == nullptr);
    CHECK_FALSE(awake->watched);
  }

  TEST_CASE("source: labels and metrics of its own sleep with a file that has them") {
    QuietFiles files;
    SleepingFiles sleeping;
    pipeline::Registry registry;
    SourceMetrics metrics(registry, "app");
    auto tailed = files.make(1, "a.log", "app:a.log");
    tailed->file.labels = pipeline::LabelSet::from({{"pod", "web-1"}});
    tailed->file.plain_labels = false;
    tailed->path_metrics = metrics.of_path("a.log");
    const PathMetrics* own = tailed->path_metrics.get();
    CHECK_FALSE(own->is_shared());
    sleeping.put(std::move(tailed));
    auto awake = sleeping.take(FileId{1});
    REQUIRE(awake != nullptr);
    CHECK(awake->file.labels == pipeline::LabelSet::from({{"pod", "web-1"}}));
    CHECK_FALSE(awake->file.plain_labels);
    CHECK(awake->path_metrics.get() == own);
    CHECK_FALSE(awake->begun);
  }

  TEST_CASE("source: sleeping files are found by inode and by lineage, also those that share them, while others go") {
    QuietFiles files;
    SleepingFiles sleeping;
    std::map<uint64_t, InodeKey> keys;
    std::map<uint64_t, std::string> lineages;
    auto put = [&](uint64_t id, const std::string& name) {  // two sources may read one file
      auto tailed = files.make(id, name, std::to_string(id % 2) + ":" + name);
      keys[id] = tailed->file.identity.key;
      lineages[id] = std::to_string(id % 2) + ":" + name;
      sleeping.put(std::move(tailed));
    };
    auto check = [&] {
      CHECK(sleeping.size() == keys.size());
      for (const auto& [id, key] : keys) {
        std::vector<FileId> expected;
        for (const auto& [other, its_key] : keys)
          if (its_key == key) expected.push_back(FileId{other});
        auto found = sleeping.at_inode(key);
        std::sort(found.begin(), found.end());
        CHECK(found == expected);
        CHECK(sleeping.of_lineage(Lineage(lineages[id])) == FileId{id});
      }
      std::vector<FileId> all;
      sleeping.for_each([&](FileId id, const SleepingFiles::Sleeper&) { all.push_back(id); });
      CHECK(all.size() == keys.size());
    };
    for (uint64_t id = 1; id <= 300; ++id) put(id, std::to_string((id + 1) / 2));
    check();
    for (uint64_t id = 1; id <= 300; ++id) {
      if (id % 3 == 0) continue;
      REQUIRE(sleeping.take(FileId{id}) != nullptr);
      const InodeKey key = keys[id];
      keys.erase(id);
      const auto found = sleeping.at_inode(key);
      CHECK(std::find(found.begin(), found.end(), FileId{id}) == found.end());
      CHECK_FALSE(sleeping.of_lineage(Lineage(lineages[id])).has_value());
    }
    check();
    for (uint64_t id = 301; id <= 400; ++id) put(id, std::to_string(id));
    check();
  }
}
