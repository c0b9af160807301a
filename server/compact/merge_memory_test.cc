// What a merge holds in memory while it runs, with as many inputs as there may be, read as from a bucket.
#include <doctest/doctest.h>
#include <filesystem>
#include <malloc.h>
#include <random>

#include "server/compact/merge_plan.h"
#include "server/compact/object_merger.h"
#include "server/store/format.h"
#include "server/store/testing/object_builder.h"

using namespace server;

namespace {

constexpr UnixNanos kHour = 3'600'000'000'000;
constexpr UnixNanos kStart = 472'000 * kHour;
constexpr uint64_t kMiB = 1 << 20;

// Bytes that are allocated now; 0 where somebody else than the C library allocates (sanitizers).
uint64_t allocated() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A bucket as seen from here: what is read comes as a copy of its own, and somebody notes how much at once.
class WatchedStore final : public ObjectStore {
 public:
  explicit WatchedStore(ObjectStore& store) : store_(store) {}
  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return store_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    longest_range = std::max(longest_range, length);
    return store_.get_range(key, offset, length, out);
  }
  Result<uint64_t> size(const std::string& key) override { return store_.size(key); }
  Result<void> remove(const std::string& key) override { return store_.remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return store_.list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return store_.remove_unfinished(folder); }
  uint64_t request_worth_bytes() const override { return 256 << 10; }

  uint64_t longest_range = 0;

 private:
  ObjectStore& store_;
};

struct MemoryWatch final : MergeWatch {
  Result<void> on_output(const Ulid&, const std::string&) override { return {}; }
  Result<void> on_progress() override { return peak = std::max(peak, allocated()), Result<void>(); }
  uint64_t peak = 0;
};

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("merge: memory is that of its pages, with as many inputs as are merged at once") {
    char folder[] = "/tmp/skidway-merge-memory-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    auto files = pipeline::system_files();
    auto local = open_local_store(*files, folder);
    REQUIRE(local);
    WatchedStore store(**local);
    pipeline::SystemClock clock;
    UlidMaker ulids(clock);
    std::mt19937_64 random(1);
    const size_t inputs = PlanOptions().most_inputs;
    constexpr size_t kStreams = 4, kRows = 6000;  // 4 MB an input: many times what may be held of it
    std::vector<ObjectRow> rows;
    uint64_t entries = 0;
    for (size_t i = 0; i < inputs; ++i) {
      ObjectBuilder builder;
      for (size_t stream = 0; stream < kStreams; ++stream)
        for (size_t n = 0; n < kRows; ++n, ++entries) {
          std::string line = "request " + std::to_string(random()) + " took " + std::to_string(random() % 1000);
          line.resize(170, 'x');
          builder.add("t", {{"pod", std::to_string(stream)}}, kStart + static_cast<UnixNanos>(n * inputs + i), line);
        }
      ObjectRow row;
      ObjectWriterOptions options{.object = ulids.make(), .level = 2};
      row.key = object_key({}, 2, options.object);
      auto summary = builder.write(store, row.key, options);
      REQUIRE(summary);
      row.summary = *summary;
      rows.push_back(std::move(row));
    }

    store.longest_range = 0;
    const Erasures erasures({}, 0, nullptr, 0);
    std::atomic<bool> cancelled{false};
    MemoryWatch watch;
    malloc_trim(0);
    const uint64_t before = allocated();
    auto outcome = merge_objects(store, {}, ulids, {rows, erasures, 0}, {}, cancelled, watch);
    REQUIRE(outcome);
    CHECK(outcome->entries == entries);
    CHECK(store.longest_range <= 192 << 10);  // what is read ahead, and not an object or a row group
    if (before > 0) {
      const uint64_t held = watch.peak - std::min(watch.peak, before);
      MESSAGE("a merge of ", inputs, " inputs held ", held / kMiB, " MiB");
      CHECK(held > inputs * kPageTextBytes);
      CHECK(held < inputs * 7 * kMiB / 10 + 3 * kMiB + 9 * kMiB);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
}
