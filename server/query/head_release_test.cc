// A query that takes long does not keep what was flushed meanwhile in memory.
#include <doctest/doctest.h>
#include <random>

#include "server/query/query_engine.h"
#include "server/query/testing/query_fixture.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kStart = 1'700'000'000'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int kInObject = 100, kInHead = 10;
const std::atomic<bool> kNotCancelled{false};

// Nothing that compresses: an object that is more than its directory's read brings along.
std::string noise(std::mt19937& rng) {
  std::string out(8000, ' ');
  for (char& c : out) c = static_cast<char>('A' + rng() % 26);
  return out;
}

// Notes at each read whether the entries of the head are still there.
class WatchingStore final : public ObjectStore {
 public:
  explicit WatchingStore(ObjectStore& inner) : inner_(inner) {}
  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return inner_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    held_at_last_read = !head.expired();
    return inner_.get_range(key, offset, length, out);
  }
  Result<uint64_t> size(const std::string& key) override { return inner_.size(key); }
  Result<void> remove(const std::string& key) override { return inner_.remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return inner_.list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return inner_.remove_unfinished(folder); }

  std::weak_ptr<const EntryColumns> head;
  bool held_at_last_read = false;

 private:
  ObjectStore& inner_;
};

struct Engine {
  Engine() {
    std::mt19937 rng(7);
    std::vector<PlainEntry> entries;
    for (int i = 0; i < kInObject; ++i)
      entries.push_back({"t", labels, kStart + i * kSecond, "stored " + noise(rng), {}});
    data.add_object(entries);
    catalog->objects = data.objects();
  }

  // The head belongs to the view alone, as when it is flushed right after the view was taken.
  ReadView view() {
    auto columns = std::make_shared<EntryColumns>();
    for (int i = 0; i < kInHead; ++i) columns->append(kStart + (kInObject + i) * kSecond, "new");
    auto streams = std::make_shared<HeadStreams>();
    streams->add(Stream::make("t", labels), {columns, columns->slice(), columns->min_time(), columns->max_time()});
    store.head = columns;
    ReadView view;
    view.head.pieces.push_back({UINT64_MAX, std::move(streams)});
    view.objects = catalog;
    return view;
  }

  double instant(const std::string& text) {
    auto result = engine.instant({"t", text, kStart + 1000 * kSecond}, kNotCancelled);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return std::get<ResultVector>(result->data).at(0).value;
  }

  size_t lines(const std::string& text, Direction direction) {
    auto result =
        engine.range({"t", text, kStart, kStart + 1000 * kSecond, 60s, {direction, 1000, 0s, false}}, kNotCancelled);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    size_t count = 0;
    for (const ResultStream& stream : std::get<ResultStreams>(result->data)) count += stream.entries.size();
    return count;
  }

  const LabelSet labels = LabelSet::from({{"app", "a"}});
  QueryFixture data;
  std::shared_ptr<CatalogSnapshot> catalog = std::make_shared<CatalogSnapshot>();
  WatchingStore store{data.store()};
  LimitTable limits;
  QueryEngine engine{[this](std::string_view) -> Result<ReadView> { return view(); }, store, limits, {}};
};

}  // namespace

TEST_SUITE("head release") {
  TEST_CASE("head release: a metric query looks at the head first, and lets go of it before it reads objects") {
    Engine engine;
    for (const std::string text : {R"(sum(count_over_time({app="a"} |~ "stored|new" [1h])))",
                                   R"(sum by (x) (count_over_time({app="a"} | logfmt [1h])))"}) {
      CAPTURE(text);
      engine.store.held_at_last_read = true;
      CHECK(engine.instant(text) == kInObject + kInHead);
      CHECK(!engine.store.held_at_last_read);
    }
  }

  TEST_CASE("head release: a log query from the newest on lets go of the head before it reads older objects") {
    Engine engine;
    engine.store.held_at_last_read = true;
    CHECK(engine.lines(R"({app="a"} |~ "stored|new")", Direction::kBackward) == kInObject + kInHead);
    CHECK(!engine.store.held_at_last_read);
    CHECK(engine.lines(R"({app="a"} |~ "stored|new")", Direction::kForward) == kInObject + kInHead);
  }

  TEST_CASE("head release: a query that selects twice has all of the head both times") {
    Engine engine;
    CHECK(engine.instant(R"(sum(count_over_time({app="a"}[1h])) + sum(count_over_time({app="a"} |= "new" [1h])))") ==
          kInObject + 2 * kInHead);
    CHECK(engine.store.head.expired());  // with the view, at its end
  }
}
