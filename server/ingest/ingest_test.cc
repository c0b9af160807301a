#include "server/ingest/ingest.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <map>
#include <set>
#include <unistd.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "server/store/object_reader.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

TEST_SUITE_BEGIN("server/ingest");

namespace {

constexpr auto kProducer = "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11";

std::string body_of(std::string_view app, std::vector<std::string> lines,
                    int64_t first_time = 1'700'000'000'000'000'000) {
  std::string values;
  for (const std::string& line : lines)
    values += concat(values.empty() ? "" : ",", "[\"", first_time++, "\",\"", line, "\"]");
  return concat(R"({"streams":[{"stream":{"app":")", app, R"("},"values":[)", values, "]}]}");
}

// A server's ingest over files that forget, and a real catalogue (whose transactions survive).
struct IngestHouse {
  pipeline::ForgetfulFiles files;
  pipeline::Registry registry;
  pipeline::FakeClock clock{1'700'000'000'000'000'000};
  std::filesystem::path folder;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Ingest> ingest;
  IngestOptions options;
  LimitTable limits;

  IngestHouse() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    std::string name = "/tmp/skidway-ingest-XXXXXX";
    folder = ::mkdtemp(name.data());
    options.wal_folder = "/data/wal";
    options.flush.interval = 1h;
    options.flush.retry = 1h;
    catalog = *open_sqlite_catalog({(folder / "catalog.db").string()}, clock);
    open();
  }
  ~IngestHouse() {
    ingest.reset();
    catalog.reset();
    REQUIRE(loop->close());
    std::filesystem::remove_all(folder);
  }

  void open() {
    REQUIRE(files.make_folders("/data/store"));
    store = *open_local_store(files, "/data/store");
    auto opened = Ingest::open({*loop, files, *store, *catalog, clock, registry, limits}, options);
    REQUIRE(opened);
    ingest = *std::move(opened);
  }
  // As kill -9 and a power cut at once: what was not synced may be gone.
  void crash(std::optional<uint64_t> seed = std::nullopt) {
    files.cut_power_at(files.operations());
    ingest.reset();
    store.reset();
    files.restart(seed);
    open();
  }
  void restart() {
    ingest.reset();
    store.reset();
    open();
  }

  // Answered when the loop has turned until `answers()` says so.
  std::shared_ptr<std::optional<HttpResponse>> begin(std::string body, std::string batch = "",
                                                     std::string tenant = "fake",
                                                     std::string type = "application/json") {
    auto answer = std::make_shared<std::optional<HttpResponse>>();
    HttpRequest request;
    request.method = "POST";
    request.headers.add("Content-Type", std::move(type));
    if (!batch.empty()) request.headers.add("X-Skidway-Batch", batch);
    request.body = std::move(body);
    // The answer may come from any thread: it is kept on the loop.
    HttpResponder responder([this, answer](HttpResponse response, std::string_view) {
      loop->post([answer, response = std::move(response)]() mutable { *answer = std::move(response); });
    });
    ingest->handle_push(PushProtocol::kLoki, std::move(tenant), std::move(request), std::move(responder));
    return answer;
  }
  HttpResponse wait(const std::shared_ptr<std::optional<HttpResponse>>& answer) {
    while (!*answer) loop->turn(100ms);
    return **answer;
  }
  HttpResponse push(std::string body, std::string batch = "", std::string tenant = "fake") {
    return wait(begin(std::move(body), std::move(batch), std::move(tenant)));
  }
  pipeline::Result<void> flush() {
    std::optional<pipeline::Result<void>> outcome;
    ingest->flush([&](pipeline::Result<void> flushed) {
      loop->post([&outcome, flushed = std::move(flushed)] { outcome = flushed; });
    });
    while (!outcome) loop->turn(100ms);
    return *outcome;
  }

  // Every line that a query of the tenant would see, with how often.
  std::map<std::string, int> lines(std::string_view tenant = "fake") {
    std::map<std::string, int> out;
    auto view = ingest->view(tenant);
    REQUIRE(view);
    for (const HeadPiece& piece : view->head.pieces) {
      for (const HeadStream& stream : piece.streams) {
        CHECK(stream.stream->tenant == tenant);
        for (const HeadRun& run : stream.runs) {
          for (size_t i = 0; i < run.entries.size(); ++i) ++out[std::string(run.entries.line(i))];
        }
      }
    }
    for (const ObjectRow& row : view->objects->objects) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE(object);
      StreamSet streams = (*object)->select(tenant, {});
      PageCursor cursor(*object, (*object)->pages_of(streams, INT64_MIN, INT64_MAX));
      while (cursor.next()) {
        auto entries = cursor.entries();
        REQUIRE(entries);
        for (const PageRun& run : (*object)->runs(cursor.page())) {
          if (!streams.contains(run.stream)) continue;
          for (uint32_t i = 0; i < run.rows; ++i) ++out[std::string(entries->line(run.first_row + i))];
        }
      }
    }
    return out;
  }
  uint64_t counted(std::string_view name, pipeline::MetricLabels labels = {}) {
    return registry.counter(name, "", std::move(labels)).value();
  }
};

using Lines = std::map<std::string, int>;

}  // namespace

TEST_CASE("ingest: an entry is visible once, from its 204 on, before and after the flush and a restart") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"one", "two"})).status == 204);
  Lines wanted{{"one", 1}, {"two", 1}};
  CHECK(house.lines() == wanted);
  CHECK(house.lines("other").empty());
  house.crash();
  CHECK(house.lines() == wanted);
  REQUIRE(house.flush());
  CHECK(house.lines() == wanted);
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  house.crash();
  CHECK(house.lines() == wanted);
  house.restart();
  CHECK(house.lines() == wanted);
}

TEST_CASE("ingest: stopping flushes, and leaves no log that counts") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  house.restart();
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  CHECK(house.lines() == Lines{{"one", 1}});
  CHECK(house.files.list("/data/wal")->empty());
}

TEST_CASE("ingest: a tenant beyond its rate gets 429 and nothing of that push is stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.ingestion_rate_mb = limits.ingestion_burst_size_mb = 10.0 / (1 << 20);
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"12345"})).status == 204);
  auto answer = house.push(body_of("x", {"678", "9012"}));
  CHECK(answer.status == 429);
  CHECK(answer.body ==
        "ingestion rate limit exceeded for user fake (limit: 10 bytes/sec) while attempting to ingest '2' lines "
        "totaling '7' bytes, reduce log volume or contact your Loki administrator to see if the limit can be "
        "increased\n");
  CHECK(house.counted("loki_discarded_samples_total", {{"reason", "rate_limited"}, {"tenant", "fake"}}) == 2);
  CHECK(house.lines().size() == 1);
}

TEST_CASE("ingest: streams beyond the limit are refused with 429, those beside them are stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.max_global_streams_per_user = 1;
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  auto answer = house.push(
      R"({"streams":[{"stream":{"app":"y"},"values":[["1","no"]]},{"stream":{"app":"x"},"values":[["2","two"]]}]})");
  CHECK(answer.status == 429);
  CHECK(answer.body.starts_with("maximum active stream limit exceeded when trying to create stream {app=\"y\""));
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
  house.crash();  // what was refused does not come back with the replay
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
}

TEST_CASE("ingest: a blocked tenant is answered with the status that was chosen") {
  IngestHouse house;
  TenantLimits limits;
  limits.block_ingestion_until = house.clock.wall() + 1'000'000'000;
  house.limits.replace({limits, {}});
  auto answer = house.push(body_of("x", {"one"}));
  CHECK(answer.status == 260);
  CHECK(answer.body.starts_with("ingestion blocked for user 'fake' until '"));
  limits.block_ingestion_status_code = 200;
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  CHECK(house.lines().empty());
  limits.block_ingestion_until = house.clock.wall();
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  CHECK(house.lines().size() == 1);
}

TEST_CASE("ingest: refusals have Loki's status and text, and what is good beside them is stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.discover_service_name.clear();
  house.limits.replace({limits, {}});
  auto answer = house.push(R"({"streams":[]})");
  CHECK(answer.status == 422);
  CHECK(answer.body == "error at least one valid stream is required for ingestion\n");
  CHECK(house.push(R"({"streams":[{}]})").status == 204);
  CHECK(house.push("{garbage").status == 400);
  answer =
      house.push(R"({"streams":[{"stream":{"a":"b"},"values":[["1","kept"]]},{"stream":{},"values":[["1","x"]]}]})");
  CHECK(answer.status == 400);
  CHECK(answer.body == "error at least one label pair is required per stream\n");
  CHECK(answer.headers.get("X-Content-Type-Options") == "nosniff");
  CHECK(house.lines() == Lines{{"kept", 1}});
  CHECK(house.counted("loki_discarded_samples_total", {{"reason", "missing_labels"}, {"tenant", "fake"}}) == 1);
  house.crash();  // what was refused does not come back with the replay
  CHECK(house.lines() == Lines{{"kept", 1}});
  answer = house.wait(house.begin("x", "", "fake", ""));
  CHECK(answer.status == 400);
  CHECK(answer.body == "mime: no media type\n");
  answer = house.push(body_of("x", {"y"}), "nonsense");
  CHECK(answer.status == 400);
  CHECK(answer.body.find("X-Skidway-Batch 'nonsense'") != std::string::npos);
}

TEST_CASE("ingest: a body too large when decompressed is 413") {
  IngestHouse house;
  house.options.push.max_raw_bytes = 1000;
  house.restart();
  auto answer = house.push(body_of("x", {std::string(2000, 'y')}));
  CHECK(answer.status == 413);
  CHECK(answer.body.starts_with("request body too large: "));
}

TEST_CASE("ingest: a numbered batch is stored once, also across restarts and flushes") {
  IngestHouse house;
  std::string number = concat(kProducer, "/1/7");
  CHECK(house.push(body_of("x", {"first"}), number).status == 204);
  CHECK(house.push(body_of("x", {"second"}), number).status == 204);
  CHECK(house.counted("skidway_server_duplicate_batches_total") == 1);
  CHECK(house.lines() == Lines{{"first", 1}});
  for (int step = 0; step < 4; ++step) {
    if (step == 1) REQUIRE(house.flush());
    step == 2 ? house.restart() : house.crash();
    CAPTURE(step);
    CHECK(house.push(body_of("x", {"again"}), number).status == 204);
    CHECK(house.lines() == Lines{{"first", 1}});
  }
  CHECK(house.push(body_of("x", {"next"}), concat(kProducer, "/1/8")).status == 204);
  CHECK(house.push(body_of("x", {"epoch"}), concat(kProducer, "/2/7")).status == 204);
  CHECK(house.push(body_of("x", {"tenant"}), number, "other").status == 204);
  CHECK(house.lines() == Lines{{"epoch", 1}, {"first", 1}, {"next", 1}});
  CHECK(house.lines("other") == Lines{{"tenant", 1}});
}

TEST_CASE("ingest: a second copy that comes while the first is on its way waits for its outcome") {
  IngestHouse house;
  std::string number = concat(kProducer, "/1/1");
  auto disk = house.files.hold();
  auto first = house.begin(body_of("x", {"one"}), number);
  auto second = house.begin(body_of("x", {"copy"}), number);
  disk.unlock();
  CHECK(house.wait(first).status == 204);
  CHECK(house.wait(second).status == 204);
  CHECK(house.lines() == Lines{{"one", 1}});

  number = concat(kProducer, "/1/2");
  house.files.fail_at(house.files.operations() + 1);  // the sync
  disk = house.files.hold();
  first = house.begin(body_of("x", {"two"}), number);
  second = house.begin(body_of("x", {"two"}), number);
  disk.unlock();
  auto answer = house.wait(first);
  CHECK(answer.status == 503);
  CHECK(answer.headers.get("Retry-After") == "1");
  CHECK(house.wait(second).status == 503);
  CHECK(house.lines() == Lines{{"one", 1}});
  CHECK(house.push(body_of("x", {"two"}), number).status == 204);  // a failed number is not a stored one
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
  house.ingest.reset();
  house.open();
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
}

TEST_CASE("ingest: a full disk answers 503, acknowledges nothing, and recovers") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"before"})).status == 204);
  house.files.fill_disk_after(50);
  auto answer = house.push(body_of("x", {"refused"}));
  CHECK(answer.status == 503);
  CHECK_FALSE(answer.headers.get("Retry-After").empty());
  CHECK(house.ingest->trouble());
  CHECK(house.lines() == Lines{{"before", 1}});
  CHECK_FALSE(house.flush());  // no room for the object either: it stays in the head
  CHECK(house.lines() == Lines{{"before", 1}});
  house.files.fill_disk_after(1 << 30);
  CHECK(house.push(body_of("x", {"after"})).status == 204);
  REQUIRE(house.flush());
  CHECK(house.lines() == Lines{{"after", 1}, {"before", 1}});
  CHECK(house.ingest->view("fake")->head.pieces.empty());
  house.crash();
  CHECK(house.lines() == Lines{{"after", 1}, {"before", 1}});
}

TEST_CASE("ingest: a power cut at any operation keeps what was acknowledged, once") {
  for (uint64_t n = 0;; ++n) {
    CAPTURE(n);
    IngestHouse house;
    house.files.cut_power_at(house.files.operations() + n);
    Lines sent, acknowledged;
    auto push = [&](int i) {
      std::string line = concat("line ", i);
      sent[line] = 1;
      std::string number = i % 2 == 0 ? concat(kProducer, "/1/", i) : "";
      if (house.push(body_of("x", {line}, 1'700'000'000'000'000'000 + i), number).status == 204) acknowledged[line] = 1;
    };
    for (int i = 0; i < 2; ++i) push(i);
    bool flushed = house.flush().has_value();
    for (int i = 2; i < 4; ++i) push(i);
    flushed = house.flush() && flushed;
    push(4);
    bool done = !house.files.power_is_off();
    house.crash(n);
    Lines found = house.lines();
    for (auto& [line, times] : acknowledged) CHECK(found[line] == 1);
    for (auto& [line, times] : found) CHECK(sent[line] == times);
    // Senders try again what was not acknowledged; numbered or not, the outcome is the same after the flush's dedup.
    for (int i = 0; i < 5; i += 2)
      CHECK(house.push(body_of("x", {concat("line ", i)}), concat(kProducer, "/1/", i)).status == 204);
    REQUIRE(house.flush());
    found = house.lines();
    for (int i = 0; i < 5; i += 2) CHECK(found[concat("line ", i)] == 1);
    if (done) {
      CHECK(flushed);
      return;
    }
  }
}

TEST_CASE("ingest: equal entries of one flush are one, and counted") {
  IngestHouse house;
  CHECK(house.push(body_of("x", {"same", "other"})).status == 204);
  CHECK(house.push(body_of("x", {"same"})).status == 204);
  REQUIRE(house.flush());
  CHECK(house.lines() == Lines{{"other", 1}, {"same", 1}});
  CHECK(house.counted("skidway_server_dropped_entries_total", {{"reason", "duplicate"}}) == 1);
}

TEST_CASE("ingest: entries of many streams, tenants and orders of time come out of the object") {
  IngestHouse house;
  Lines wanted;
  for (int i = 0; i < 200; ++i) {
    std::string line = concat("line ", i);
    wanted[line] = 1;
    std::string tenant = i % 3 == 0 ? "b" : "a";
    CHECK(house.push(body_of(concat("app", i % 7), {line}, 1'700'000'000'000'000'000 - (i * 7919) % 100), "", tenant)
              .status == 204);
  }
  REQUIRE(house.flush());
  Lines found = house.lines("a");
  found.merge(house.lines("b"));
  CHECK(found == wanted);
}

TEST_CASE("ingest: beyond its budget pushes are held back, and go on when the head was flushed") {
  IngestHouse house;
  house.options.push.budget_bytes = 20'000;
  house.restart();
  CHECK(house.push(body_of("x", {std::string(30'000, 'a')})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  auto also = house.begin(body_of("x", {"also"}));
  for (int i = 0; i < 3; ++i) house.loop->turn(20ms);
  CHECK_FALSE(*held);
  REQUIRE(house.flush());
  CHECK(house.wait(held).status == 204);
  CHECK(house.wait(also).status == 204);
}

TEST_CASE("ingest: a push held too long is 503 with Retry-After") {
  IngestHouse house;
  house.options.push.budget_bytes = 1;
  house.restart();
  CHECK(house.push(body_of("x", {"fills"})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  house.loop->turn(10ms);
  CHECK_FALSE(*held);
  house.clock.advance(9s);
  auto answer = house.wait(held);
  CHECK(answer.status == 503);
  CHECK(answer.body == "The server cannot accept more requests at this time.\n");
  CHECK(answer.headers.get("Retry-After") == "1");
}

TEST_CASE("ingest: while it stops, what is held and what comes is 503") {
  IngestHouse house;
  house.options.push.budget_bytes = 1;
  house.restart();
  CHECK(house.push(body_of("x", {"fills"})).status == 204);
  auto held = house.begin(body_of("x", {"held"}));
  house.ingest->refuse();
  CHECK(house.wait(held).status == 503);
  CHECK(house.push(body_of("x", {"late"})).status == 503);
}

namespace {

// A house whose log is large for its memory: it is replayed behind its back.
struct RecoveryHouse : IngestHouse {
  Lines wanted;
  int sent = 0;

  RecoveryHouse() {
    options.push.budget_bytes = 1 << 20;
    options.replay_wait = 10s;
    restart();
  }
  void push_some(int count) {
    for (int i = 0; i < count; ++i, ++sent) {
      std::string line = concat("line ", sent, " ", std::string(2'000, 'x'));
      std::string number = sent % 2 == 0 ? concat(kProducer, "/1/", sent) : "";
      CHECK(push(body_of("x", {line}, 1'700'000'000'000'000'000 + sent), number).status == 204);
      wanted[line] = 1;
    }
  }
  void wait_until_stored() {
    while (!flush() || !ingest->view("fake")->head.pieces.empty()) loop->turn(10ms);
  }
};

}  // namespace

TEST_CASE("ingest: a large log is replayed while pushes go on, and nothing is lost or doubled") {
  RecoveryHouse house;
  house.push_some(200);
  house.crash();
  CHECK(house.lines() == house.wanted);
  house.push_some(50);
  house.wait_until_stored();
  CHECK(house.lines() == house.wanted);
  CHECK_FALSE(house.ingest->replay_progress());
  CHECK(house.ingest->view("fake")->incomplete.empty());
  house.restart();
  CHECK(house.lines() == house.wanted);
  CHECK(house.files.list("/data/wal")->empty());
}

TEST_CASE(
    "ingest: while the log is replayed views say what they lack, and a flush of what came since forgets nothing") {
  RecoveryHouse house;
  house.push_some(200);
  house.options.replay_wait = 0ms;
  house.crash();
  auto view = house.ingest->view("fake");
  if (house.ingest->replay_progress()) CHECK_FALSE(view->incomplete.empty());
  house.push_some(20);
  (void)house.flush();
  for (int round = 0; round < 3; ++round) {
    house.crash();  // in the midst of it
    house.push_some(10);
  }
  house.options.replay_wait = 10s;
  house.crash();
  std::set<std::string> found, wanted;
  for (const auto& [line, times] : house.lines()) found.insert(line);  // equal entries may repeat: queries drop them
  for (const auto& [line, times] : house.wanted) wanted.insert(line);
  CHECK(found == wanted);
  house.wait_until_stored();
  found.clear();
  for (const auto& [line, times] : house.lines()) found.insert(line);
  CHECK(found == wanted);
}

TEST_CASE("ingest: views taken while pushes and flushes go on see each entry exactly once") {
  IngestHouse house;
  std::atomic<int> acknowledged{0};
  std::atomic<bool> stop{false};
  bool lost = false, doubled = false;
  std::thread reader([&] {
    while (!stop) {
      int at_least = acknowledged;
      for (auto& [line, times] : house.lines()) {
        if (times != 1) doubled = true;
        if (line != "") --at_least;
      }
      if (at_least > 0) lost = true;
    }
  });
  for (int i = 0; i < 150; ++i) {
    CHECK(house.push(body_of("x", {concat("line ", i)}, 1'700'000'000'000'000'000 + i)).status == 204);
    ++acknowledged;
    if (i % 10 == 9) REQUIRE(house.flush());
  }
  stop = true;
  reader.join();
  CHECK_FALSE(lost);
  CHECK_FALSE(doubled);
}

namespace {

// Counts the lines that a tenant's pushes brought.
class FeedReader : public CommitListener {
 public:
  void on_entries(uint64_t frame, std::span<const HeadAddition> added) override {
    std::lock_guard lock(mutex_);
    CHECK(frame > last_frame_);
    last_frame_ = frame;
    for (const HeadAddition& addition : added) {
      CHECK(addition.stream->tenant == "fake");
      for (size_t i = 0; i < addition.run.entries.size(); ++i)
        frames_[std::string(addition.run.entries.line(i))].push_back(frame);
    }
  }
  std::map<std::string, std::vector<uint64_t>> frames() {
    std::lock_guard lock(mutex_);
    return frames_;
  }

 private:
  std::mutex mutex_;
  uint64_t last_frame_ = 0;
  std::map<std::string, std::vector<uint64_t>> frames_;  // by line
};

}  // namespace

TEST_CASE(
    "ingest: the feed tells of a tenant's entries once they are acknowledged, large and small pushes, until one "
    "leaves") {
  IngestHouse house;
  FeedReader reader;
  CHECK(house.push(body_of("x", {"before"})).status == 204);
  house.ingest->feed().listen("fake", reader);
  CHECK(house.push(body_of("x", {"small"})).status == 204);
  CHECK(house.push(body_of("x", {"other tenant"}), "", "other").status == 204);
  CHECK(house.push(body_of("x", {std::string(200'000, 'l'), "large"})).status == 204);
  house.ingest->feed().leave("fake", reader);
  CHECK(house.push(body_of("x", {"after"})).status == 204);
  std::vector<std::string> lines;
  for (const auto& [line, frames] : reader.frames()) lines.push_back(line.substr(0, 8));
  CHECK(lines == std::vector<std::string>{"large", "llllllll", "small"});
}

TEST_CASE("ingest: who listens and then takes a view finds every entry in one of them, and knows what is in both") {
  IngestHouse house;
  for (int round = 0; round < 20; ++round) {
    FeedReader reader;
    std::map<std::string, int> seen;
    uint64_t last_frame = 0;
    std::thread tail([&] {
      house.ingest->feed().listen("fake", reader);
      last_frame = house.ingest->view("fake")->last_frame();
      seen = house.lines();
    });
    for (int i = 0; i < 10; ++i) {
      CHECK(house.push(body_of("x", {concat("line ", round, " ", i)}, 1'700'000'000'000'000'000 + i)).status == 204);
      if (i == round % 10) REQUIRE(house.flush());
    }
    tail.join();
    for (const auto& [line, frames] : reader.frames()) {
      CHECK(frames.size() == 1);
      if (frames[0] <= last_frame) CHECK(seen[line] == 1);
      if (frames[0] > last_frame) ++seen[line];  // lines() looked later than last_frame: it may have seen it too
    }
    for (int i = 0; i < 10; ++i) CHECK(seen[concat("line ", round, " ", i)] >= 1);
    house.ingest->feed().leave("fake", reader);
  }
}

TEST_SUITE_END();
