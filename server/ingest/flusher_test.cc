#include "server/ingest/flusher.h"

#include <doctest/doctest.h>
#include <future>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

namespace {

// A head, a log and a flusher that flushes when it is told.
struct FlusherHouse {
  pipeline::ForgetfulFiles files;
  pipeline::Registry registry;
  pipeline::FakeClock clock{1'700'000'000'000'000'000};
  std::filesystem::path folder;
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Wal> wal;
  Head head;
  FlushMark mark{false};
  std::unique_ptr<Flusher> flusher;

  FlusherHouse() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    std::string name = "/tmp/skidway-flusher-XXXXXX";
    folder = ::mkdtemp(name.data());
    catalog = *open_sqlite_catalog({(folder / "catalog.db").string()}, clock);
    REQUIRE(files.make_folders("/data/store"));
    store = *open_local_store(files, "/data/store");
    wal = *Wal::open(files, registry, {.folder = "/data/wal"}, 0);
    const FlusherOptions options{.interval = 1h, .retry = 1h};
    flusher = std::make_unique<Flusher>(
        head, *wal, *store, *catalog, clock, registry, options, [] {}, &mark);
  }
  ~FlusherHouse() {
    flusher.reset();
    catalog.reset();
    std::filesystem::remove_all(folder);
  }

  void add(std::string_view line, uint64_t frame) {
    const pipeline::UnixNanos now = clock.wall();
    PushedEntries entries;
    entries.columns.append(now, line);
    entries.parts.push_back({Stream::make("fake", pipeline::LabelSet::from({{"app", "x"}})), 0, 1, now, now});
    head.add(std::move(entries), "fake", frame, std::nullopt);
  }
  pipeline::Result<void> flush() {
    std::promise<pipeline::Result<void>> done;
    flusher->flush_now([&](pipeline::Result<void> flushed) { done.set_value(std::move(flushed)); });
    return done.get_future().get();
  }
  // The last frame that each object names, oldest object first.
  std::vector<uint64_t> named_frames() {
    std::vector<ObjectRow> rows = (*catalog->snapshot())->objects;
    std::ranges::sort(rows, {}, [](const ObjectRow& row) { return row.summary.object; });
    std::vector<uint64_t> out;
    for (const ObjectRow& row : rows) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE(object);
      out.push_back((*object)->last_frame());
    }
    return out;
  }
};

}  // namespace

TEST_CASE("flusher: an object names a frame only when all frames before it are in objects, too") {
  FlusherHouse house;
  house.add("while an earlier log is replayed", 7);
  REQUIRE(house.flush());
  CHECK(house.named_frames() == std::vector<uint64_t>{0});
  CHECK((*house.catalog->snapshot())->flushed_frame == 0);
  CHECK(house.mark.on_recovered() == 7);
  house.clock.advance(1s);
  house.add("afterwards", 9);
  REQUIRE(house.flush());
  CHECK(house.named_frames() == std::vector<uint64_t>{0, 9});
  CHECK((*house.catalog->snapshot())->flushed_frame == 9);
}

TEST_CASE("flusher: what is left of a try that failed is abandoned, and the next takes another key") {
  FlusherHouse house;
  house.mark.on_recovered();
  house.add("one", 1);
  house.files.fail_at(house.files.operations() + 1);
  REQUIRE_FALSE(house.flush());
  const auto abandoned = *house.catalog->abandoned_outputs();
  REQUIRE(abandoned.size() == 1);
  CHECK((*house.catalog->snapshot())->objects.empty());
  REQUIRE(house.flush());
  const auto objects = (*house.catalog->snapshot())->objects;
  REQUIRE(objects.size() == 1);
  CHECK(objects[0].key != abandoned[0].key);
  CHECK(house.catalog->abandoned_outputs()->size() == 1);
}

TEST_SUITE_END();
