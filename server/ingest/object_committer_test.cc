#include "server/ingest/object_committer.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <future>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "server/store/object_store.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

TEST_SUITE_BEGIN("server/ingest");

namespace {

// A store whose objects cannot be written while it is told so.
class MoodyStore final : public ObjectStore {
 public:
  explicit MoodyStore(std::unique_ptr<ObjectStore> store) : store_(std::move(store)) {}

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override {
    ++tries;
    if (refuses) return fail(Errc::kUnavailable, "503 Slow Down");
    return store_->create(key);
  }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    return store_->get_range(key, offset, length, out);
  }
  Result<uint64_t> size(const std::string& key) override { return store_->size(key); }
  Result<void> remove(const std::string& key) override { return store_->remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return store_->list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return store_->remove_unfinished(folder); }

  std::atomic<bool> refuses{false};
  std::atomic<int> tries{0};

 private:
  std::unique_ptr<ObjectStore> store_;
};

class Listener final : public CommitListener {
 public:
  void on_entries(uint64_t frame, std::span<const HeadAddition> added) override {
    std::lock_guard lock(mutex_);
    CHECK(frame > last_);
    last_ = frame;
    for (const HeadAddition& addition : added) entries_ += addition.run.entries.size();
  }
  size_t entries() {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  std::mutex mutex_;
  uint64_t last_ = 0;
  size_t entries_ = 0;
};

struct CommitterHouse {
  std::filesystem::path folder;
  std::unique_ptr<pipeline::FileSystem> files = pipeline::system_files();
  pipeline::Registry registry;
  pipeline::SystemClock clock;
  std::unique_ptr<MoodyStore> store;
  std::unique_ptr<Catalog> catalog;
  CommitFeed feed;
  ObjectCommitterOptions options;
  std::atomic<size_t> coming{0};
  std::atomic<bool> may_commit{true};
  std::unique_ptr<ObjectCommitter> committer;
  std::shared_ptr<const Stream> stream;

  CommitterHouse() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    std::string name = "/tmp/skidway-committer-XXXXXX";
    folder = ::mkdtemp(name.data());
    store = std::make_unique<MoodyStore>(*open_local_store(*files, (folder / "store").string()));
    catalog = *open_sqlite_catalog({(folder / "catalog.db").string()}, clock);
    stream = Stream::make("fake", pipeline::LabelSet::from({{"app", "x"}}));
    options.linger = 10s;  // longer than any test: what comes sooner has another reason
    options.quiet = 5ms;
    options.retry = 5ms;
  }
  ~CommitterHouse() {
    committer.reset();
    std::filesystem::remove_all(folder);
  }

  void start() {
    ObjectCommitterDoors doors{*store,
                               *catalog,
                               feed,
                               clock,
                               registry,
                               [this] { return coming.load(); },
                               [this] { return may_commit.load(); }};
    committer = std::make_unique<ObjectCommitter>(std::move(doors), options, 0);
  }

  std::future<Result<void>> push(std::string line, std::optional<BatchNumber> batch = std::nullopt) {
    static std::atomic<int64_t> time{1'700'000'000'000'000'000};
    PushedEntries entries;
    const auto at = ++time;
    entries.columns.append(at, line);
    entries.parts.push_back({stream, 0, 1, at, at});
    WalFrame frame;
    frame.tenant = "fake";
    frame.batch = batch;
    frame.body = std::move(line);
    auto promise = std::make_shared<std::promise<Result<void>>>();
    auto future = promise->get_future();
    committer->commit(std::move(frame), std::move(entries),
                      [promise](Result<void> outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }
  static bool waits(std::future<Result<void>>& push) { return push.wait_for(30ms) == std::future_status::timeout; }
  // Once the store has been asked so often.
  void wait_for_tries(int count) {
    while (store->tries < count) std::this_thread::sleep_for(1ms);
  }
  size_t objects() { return (*catalog->snapshot())->objects.size(); }
  uint64_t rows() {
    uint64_t rows = 0;
    for (const ObjectRow& row : (*catalog->snapshot())->objects) rows += row.summary.rows;
    return rows;
  }
};

}  // namespace

TEST_CASE(
    "ack s3: a push is in an object and in the catalogue when it is acknowledged, and the feed tells of it then") {
  CommitterHouse house;
  Listener listener;
  house.feed.listen("fake", listener);
  house.start();
  auto push = house.push("one");
  CHECK(push.get());
  CHECK(house.rows() == 1);
  CHECK(listener.entries() == 1);
  CHECK((*house.catalog->snapshot())->flushed_frame == 1);
  house.feed.leave("fake", listener);
}

TEST_CASE("ack s3: while another push is coming the buffer waits for it, up to the linger time") {
  CommitterHouse house;
  house.options.linger = 2s;  // a busy machine may take long from one line to the next
  house.coming = 1;
  house.start();
  const auto begin = std::chrono::steady_clock::now();
  auto first = house.push("one"), second = house.push("two");
  CHECK(first.get());
  CHECK(std::chrono::steady_clock::now() - begin >= 2s);
  CHECK(second.get());
  CHECK(house.objects() == 1);
  CHECK(house.rows() == 2);
}

TEST_CASE("ack s3: early objects have a budget, and beyond it pushes share one") {
  CommitterHouse house;
  house.options.linger = 2s;
  house.options.early_burst = 3;
  house.options.early_per_second = 0;
  house.start();
  for (int i = 0; i < 3; ++i) CHECK(house.push("early").get());
  CHECK(house.registry.counter("skidway_server_ack_early_objects_total", "").value() == 3);
  const auto begin = std::chrono::steady_clock::now();
  auto fourth = house.push("four"), fifth = house.push("five");
  CHECK(fourth.get());
  CHECK(std::chrono::steady_clock::now() - begin >= 2s);
  CHECK(fifth.get());
  CHECK(house.objects() == 4);
}

TEST_CASE("ack s3: a full buffer does not wait") {
  CommitterHouse house;
  house.coming = 1;
  house.options.bytes = 100;
  house.start();
  auto first = house.push("small");
  CHECK(house.waits(first));
  auto second = house.push(std::string(100, 'x'));
  CHECK(first.get());
  CHECK(second.get());
}

TEST_CASE("ack s3: while the store refuses, pushes wait; they are stored once it is back") {
  CommitterHouse house;
  house.store->refuses = true;
  house.options.patience = 60s;  // however late the threads are run
  house.start();
  auto push = house.push("one");
  house.wait_for_tries(2);  // so the first has failed
  CHECK(house.waits(push));
  CHECK(house.committer->trouble());
  house.store->refuses = false;
  CHECK(push.get());
  CHECK(house.rows() == 1);
}

TEST_CASE("ack s3: a store that refuses for too long is an error, and nothing of the push is visible") {
  CommitterHouse house;
  house.store->refuses = true;
  house.options.patience = 50ms;
  house.start();
  auto outcome = house.push("one").get();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().message == "503 Slow Down");
  CHECK(house.rows() == 0);
  house.store->refuses = false;
  CHECK(house.push("two").get());
  CHECK(house.rows() == 1);
}

TEST_CASE("ack s3: while the log of an earlier run is not in the store, nothing is committed") {
  CommitterHouse house;
  house.may_commit = false;
  house.options.patience = 300ms;
  house.start();
  auto push = house.push("one");
  CHECK(house.waits(push));
  house.may_commit = true;
  CHECK(push.get());
  house.may_commit = false;
  auto last = house.push("two");
  house.committer->stop();
  CHECK_FALSE(last.get());
  CHECK(house.rows() == 1);
}

TEST_CASE("ack s3: stopping stores what waits; afterwards pushes are refused") {
  CommitterHouse house;
  house.coming = 1;
  house.start();
  auto push = house.push("one");
  CHECK(house.waits(push));
  house.committer->stop();
  CHECK(push.get());
  CHECK(house.rows() == 1);
  auto late = house.push("two").get();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::kCancelled);
}

TEST_CASE("ack s3: batch numbers are remembered with the object") {
  CommitterHouse house;
  house.start();
  CHECK(house.push("one", BatchNumber{{1, 2}, 3, 4}).get());
  auto batches = house.catalog->batches();
  REQUIRE(batches);
  REQUIRE(batches->size() == 1);
  CHECK((*batches)[0].epoch == 3);
  CHECK((*batches)[0].first == 4);
}

TEST_CASE("ack s3: many senders at once, each push once, in few objects") {
  CommitterHouse house;
  house.options.linger = 20ms;
  Listener listener;
  house.feed.listen("fake", listener);
  house.start();
  std::vector<std::thread> senders;
  std::atomic<int> stored{0};
  for (int sender = 0; sender < 8; ++sender) {
    senders.emplace_back([&, sender] {
      for (int i = 0; i < 20; ++i) stored += house.push(concat(sender, " ", i)).get().has_value();
    });
  }
  for (std::thread& sender : senders) sender.join();
  CHECK(stored == 160);
  CHECK(house.rows() == 160);
  CHECK(listener.entries() == 160);
  CHECK(house.objects() < 160);
  house.feed.leave("fake", listener);
}

TEST_SUITE_END();
