// What a LokiSink does with its spool. The far side is a real server on loopback, the spool's disk is in memory.
#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <set>
#include <unistd.h>

#include "agent/sink/loki_sink.h"
#include "agent/spool/spool_damage.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/http/http_router.h"
#include "pipeline/http/http_server.h"

namespace agent {
namespace {

using pipeline::Batch;
using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::LabelSet;
using namespace std::chrono_literals;

struct SpoolingSink {
  std::string folder;
  pipeline::FakeClock clock;
  pipeline::ForgetfulFiles files;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::Registry far_registry;
  std::unique_ptr<pipeline::HttpServer> far;
  bool away = false;               // the far side says 503
  std::vector<std::string> acked;  // numbers, in order
  std::function<void()> on_request = [] {};
  std::function<int(const std::string& number)> status_for = [](const std::string&) { return 204; };
  bool holding = false;  // answers wait
  std::vector<HttpResponder> held;
  SinkOptions options;
  std::unique_ptr<pipeline::Registry> registry;
  std::unique_ptr<MemoryBudget> memory;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<LokiSink> sink;
  std::unique_ptr<SinkPort> port;
  pipeline::LabelTable table;
  Batch batch{table};
  FileId file;
  uint64_t at = 0;
  int batches = 0;  // pushed

  SpoolingSink() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    char name[] = "/tmp/loki_spool.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    std::filesystem::create_directory(spool_folder());  // for its lock
    pipeline::HttpServerOptions listen;
    listen.address = "127.0.0.1:0";
    auto listening = pipeline::HttpServer::listen(
        *loop, far_registry, listen,
        [this](HttpRequest request, HttpResponder responder) { answer(request, std::move(responder)); });
    REQUIRE(listening);
    far = std::move(*listening);
    options.name = "hub";
    options.url = concat("http://127.0.0.1:", far->port(), "/loki/api/v1/push");
    options.retry.min = 5ms, options.retry.max = 20ms;
    options.max_in_flight = 2;
    start();
  }
  void answer(const HttpRequest& request, HttpResponder responder) {
    on_request();
    if (away) return responder.send(HttpResponse::text(503, "away"));
    const int status = status_for(std::string(request.headers.get("X-Skidway-Batch")));
    if (status != 204) return responder.send(HttpResponse::text(status, "no"));
    acked.push_back(std::string(request.headers.get("X-Skidway-Batch")));
    if (holding) return held.push_back(std::move(responder));
    responder.send(HttpResponse::empty(204));
  }
  ~SpoolingSink() {
    close();
    held.clear();
    far.reset();
    CHECK(loop->close());
    std::filesystem::remove_all(folder);
  }
  std::string spool_folder() const { return folder + "/hub"; }
  void start() {
    close();
    registry = std::make_unique<pipeline::Registry>();
    memory = std::make_unique<MemoryBudget>(64 << 20);
    auto opened = CheckpointStore::open({folder + "/checkpoints.db", {"hub"}, 1h}, *registry);
    REQUIRE(opened);
    store = std::move(*opened);
    auto made = LokiSink::create(*loop, options, *store, *memory, clock, *registry, {&files, spool_folder()});
    REQUIRE(made);
    sink = std::move(*made);
    port = sink->open_port([] {});
    if (!file) file = store->add_file({.source = "s", .path = "/x"});
  }
  // As kill -9, but for what destructors write: acks not yet handed to the store are gone.
  void close() {
    port.reset();
    sink.reset();
    store.reset();
  }
  void push(size_t bytes = 5, bool from_file = true, int entries = 1) {
    std::string line(bytes, 'x');
    for (; entries > 0; entries--) {
      batch.add(
          line, static_cast<int64_t>(1000 + at), table.intern(LabelSet::parse(R"({app="api"})").value()),
          from_file ? pipeline::ByteRange{at, at + bytes + 1, static_cast<int64_t>(1000 + at)} : pipeline::ByteRange{});
      if (from_file) at += bytes + 1;
    }
    port->append(batch, from_file ? FilePosition{file, at, 0} : FilePosition{});
    batch.clear();
    batches++;
    port->close_all();
  }
  template <class Condition>
  void run_until(Condition condition) {
    auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) loop->turn(20ms);
    REQUIRE(condition());
  }
  void run_for(std::chrono::milliseconds time) {
    auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) loop->turn(20ms);
  }
  // The far side is away, and the sink knows.
  void begin_outage() {
    away = true;
    push();
    run_until([&] { return value("skidway_agent_sink_retries_total{sink=\"hub\"}") > 0; });
    clock.advance(3s);
    run_until([&] { return settled(); });
  }
  bool settled() const { return sink->position(file)->position == at; }
  void stop(std::chrono::nanoseconds patience) {
    bool stopped = false;
    sink->stop(patience, [&] { stopped = true; });
    run_until([&] { return stopped; });
  }
  double value(const std::string& series) const {
    std::string page = registry->render();
    size_t begin = page.find(series + " ");
    return begin == std::string::npos ? -1 : std::atof(page.c_str() + begin + series.size());
  }
  double spooled() const { return value("skidway_agent_spool_appended_frames_total{sink=\"hub\"}"); }
  double on_disk() const { return value("skidway_agent_spool_bytes{sink=\"hub\"}"); }
  std::vector<uint64_t> acked_seqs() const {
    std::vector<uint64_t> seqs;
    for (const std::string& number : acked) seqs.push_back(std::stoull(number.substr(number.rfind('/') + 1)));
    return seqs;
  }
};
}  // namespace

TEST_SUITE("agent/sink") {
  TEST_CASE("spooling: while the far side answers, nothing is written to disk") {
    SpoolingSink f;
    for (int i = 0; i < 5; i++) f.push();
    f.run_until([&] { return f.settled(); });
    CHECK(f.acked.size() == 5);
    CHECK(f.files.operations() == 0);
  }

  TEST_CASE("spooling: while it is away, batches go to disk, positions pass, and reading goes on") {
    SpoolingSink f;
    f.begin_outage();
    for (int i = 0; i < 20; i++) {
      f.push();
      f.run_until([&] { return f.settled(); });
      CHECK(!f.port->full());
    }
    CHECK(f.acked.empty());
    CHECK(f.spooled() == 21);
    CHECK(f.value("skidway_agent_spool_entries{sink=\"hub\"}") +
              f.value("skidway_agent_sink_waiting_entries{sink=\"hub\"}") ==
          21);
    CHECK(f.memory->used_bytes() < 1000);  // those under way, and what is read ahead

    f.push();
    f.run_until([&] { return f.settled(); });
    SUBCASE("it comes back") {}
    SUBCASE("it comes back after a restart") {
      f.stop(1s);
      f.start();
      CHECK(f.sink->unacked().empty());
    }
    SUBCASE("it comes back after kill -9") {
      f.start();
      CHECK(f.sink->unacked().empty());
    }
    f.away = false;
    f.run_until([&] { return f.acked.size() >= 22 && f.on_disk() == 0; });
    CHECK(std::set<std::string>(f.acked.begin(), f.acked.end()).size() == 22);
    f.run_until([&] { return f.memory->used_bytes() == 0; });
    CHECK(f.value("skidway_agent_sink_waiting_entries{sink=\"hub\"}") == 0);
    CHECK(f.value("skidway_agent_spool_entries{sink=\"hub\"}") == 0);
  }

  TEST_CASE("spooling: of a file it is told what waits there, and what was refused when it was sent") {
    SpoolingSink f;
    f.begin_outage();
    for (int i = 0; i < 4; i++) f.push(100);
    f.run_until([&] { return f.settled(); });
    CHECK(f.sink->in_spool(f.file) == f.at);
    CHECK(f.store->losses().below("hub", f.file, f.at).empty());
    f.status_for = [](const std::string& number) { return number.ends_with("/3") ? 204 : 400; };
    f.away = false;
    f.run_until([&] { return f.on_disk() == 0; });
    CHECK(f.sink->in_spool(f.file) == 0);
    auto told = [&] {
      uint64_t bytes = 0;
      for (const DroppedBytes& d : f.store->losses().below("hub", f.file, f.at))
        if (d.reason.view().starts_with("sink:")) bytes += d.bytes;
      return bytes;
    };
    CHECK(told() == f.at - 101);
    CHECK(f.store->losses().spooled("hub").at(0).volume.entries == 4);
    CHECK(f.store->losses().spooled_unknown("hub").empty());
    f.start();
    CHECK(told() == f.at - 101);
    CHECK(f.store->losses().spooled("hub").at(0).volume.entries == 4);
  }

  TEST_CASE("spooling: the oldest are sent first") {
    SpoolingSink f;
    f.options.max_in_flight = 1;
    f.start();
    f.begin_outage();
    for (int i = 0; i < 20; i++) f.push();
    f.run_until([&] { return f.settled(); });
    f.away = false;
    f.run_until([&] { return f.acked.size() == 21; });
    auto seqs = f.acked_seqs();
    CHECK(std::is_sorted(seqs.begin(), seqs.end()));
  }

  TEST_CASE("spooling: new batches flow while a young backlog is sent, and wait behind an old one") {
    SpoolingSink f;
    f.begin_outage();
    for (int i = 0; i < 60; i++) f.push(200'000);
    f.run_until([&] { return f.settled(); });
    bool old = false;
    SUBCASE("young") {}
    SUBCASE("old") { old = true; }
    if (old) f.clock.advance(45min);
    f.on_request = [&] {
      if (f.acked.size() < 10 || f.holding || f.batches > 61 || std::ranges::count(f.acked_seqs(), 1u) == 0) return;
      f.holding = true;
      f.push();  // number 62
    };
    f.away = false;
    f.run_until([&] { return old ? f.spooled() == 62 : std::ranges::count(f.acked_seqs(), 62u) == 1; });
    f.holding = false;
    for (HttpResponder& responder : std::exchange(f.held, {})) responder.send(HttpResponse::empty(204));
    f.run_until([&] { return f.acked.size() >= 62; });
    auto seqs = f.acked_seqs();
    auto place = std::find(seqs.begin(), seqs.end(), 62u) - seqs.begin();
    if (old)
      CHECK(place >= 58);
    else
      CHECK(place < 50);
  }

  TEST_CASE("spooling: `always` sends nothing that is not on disk") {
    SpoolingSink f;
    f.options.spool.mode = SpoolMode::kAlways;
    f.start();
    uint64_t waiting = 0;
    f.on_request = [&] {
      auto names = list_spool(f.files, f.spool_folder());
      REQUIRE(names);
      REQUIRE(names->size() == 1);
      waiting = inspect_segment(f.files, f.spool_folder(), names->at(0), SpoolCheck::kBodies)->waiting_frames;
    };
    f.push();
    f.run_until([&] { return f.settled(); });
    f.run_until([&] { return f.acked.size() == 1; });
    CHECK(waiting == 1);
    for (int i = 0; i < 10; i++) f.push();
    f.run_until([&] { return f.settled(); });
    f.stop(10s);
    CHECK(f.acked.size() == 11);
    CHECK(f.spooled() == 11);
    f.start();
    CHECK(f.sink->unacked().empty());
    f.run_for(100ms);
    CHECK(f.acked.size() == 11);
  }

  TEST_CASE("spooling: at the limit the sink is full, and has room again when the far side is back") {
    SpoolingSink f;
    f.options.spool.limit_bytes = 400'000;
    f.options.compression = Compression::kIdentity;
    f.start();
    f.begin_outage();
    int pushed = 1;
    for (; !f.port->full(); pushed++) {
      f.push(20'000);
      f.run_for(20ms);
      REQUIRE(pushed < 60);
    }
    f.run_until([&] { return f.value("skidway_agent_spool_paused{sink=\"hub\"}") == 1; });
    CHECK(!f.settled());
    CHECK(f.on_disk() <= 400'000);
    f.away = false;
    f.run_until([&] { return f.settled() && f.on_disk() == 0; });
    CHECK(!f.port->full());
    CHECK(std::set<std::string>(f.acked.begin(), f.acked.end()).size() == static_cast<size_t>(pushed));
  }

  TEST_CASE("spooling: drops the oldest at the limit if the operator says so, counted") {
    SpoolingSink f;
    f.options.spool.limit_bytes = 400'000;
    f.options.spool.when_full = SpoolWhenFull::kDropOldest;
    f.options.compression = Compression::kIdentity;
    f.start();
    f.begin_outage();
    for (int i = 0; i < 60; i++) {
      f.push(20'000);
      f.run_until([&] { return f.settled(); });
    }
    CHECK(!f.port->full());
    double dropped = f.value("skidway_agent_sink_dropped_entries_total{reason=\"spool_full\",sink=\"hub\"}");
    CHECK(dropped > 30);
    f.away = false;
    f.run_until([&] { return f.on_disk() == 0; });
    CHECK(static_cast<double>(f.acked.size()) + dropped == 61);
    CHECK(f.value("skidway_agent_sink_waiting_entries{sink=\"hub\"}") == 0);
  }

  TEST_CASE("spooling: on a full disk nothing passes, and it goes on when there is room") {
    SpoolingSink f;
    f.begin_outage();
    f.files.fill_disk_after(0);
    f.push();
    f.run_until([&] { return f.value("skidway_agent_spool_append_failures_total{sink=\"hub\"}") >= 1; });
    f.run_for(50ms);
    CHECK(!f.settled());
    SUBCASE("on the disk") {
      f.files.fill_disk_after(1 << 20);
      f.run_until([&] { return f.settled(); });
      CHECK(f.acked.empty());
    }
    SUBCASE("at the far side") {
      f.away = false;
      f.run_until([&] { return f.settled(); });
    }
    f.away = false;
    f.run_until([&] { return f.acked.size() == 2; });
    CHECK(f.value("skidway_agent_spool_paused{sink=\"hub\"}") == 0);
  }

  TEST_CASE("spooling: with the mode `off` now, what is on disk is still sent") {
    SpoolingSink f;
    f.begin_outage();
    f.push();
    f.run_until([&] { return f.settled(); });
    f.stop(1s);
    f.away = false;
    f.options.spool.mode = SpoolMode::kOff;
    f.start();
    f.run_until([&] { return f.acked.size() == 2 && f.on_disk() == 0; });
    f.push();
    f.run_until([&] { return f.settled(); });
    CHECK(f.acked.size() == 3);
    CHECK(f.spooled() == 0);
  }

  TEST_CASE("spooling: bytes that cannot be read again go to disk when the agent stops") {
    SpoolingSink f;
    f.away = true;
    f.push(5, false);
    f.run_for(30ms);
    f.stop(50ms);
    f.away = false;
    f.start();
    f.run_until([&] { return f.acked.size() == 1; });
    CHECK(f.acked[0].ends_with("/1/1"));
  }

  TEST_CASE("spooling: finish() waits until what is on disk is sent, stop() does not") {
    SpoolingSink f;
    f.begin_outage();
    for (int i = 0; i < 5; i++) f.push();
    f.run_until([&] { return f.settled(); });
    bool ended = false;
    SUBCASE("stop") {
      f.sink->stop(1h, [&] { ended = true; });
      f.run_until([&] { return ended; });
      CHECK(f.acked.empty());
    }
    SUBCASE("finish") {
      f.sink->finish(1h, [&] { ended = true; });
      f.run_for(50ms);
      CHECK(!ended);
      f.away = false;
      f.run_until([&] { return ended; });
      CHECK(f.acked.size() == 6);
    }
  }

  TEST_CASE("spooling: halves of a batch that was too large keep their numbers through a crash between them") {
    SpoolingSink f;
    f.begin_outage();
    f.push(5, true, 2);
    f.run_until([&] { return f.settled(); });
    std::string single, whole;
    std::set<std::string> halves, asked;
    bool crashed = false, refused = false;
    f.status_for = [&](const std::string& number) {
      if (single.empty()) single = number;
      if (number == single) return 204;
      if (whole.empty()) whole = number;
      asked.insert(number);
      if (number == whole) return 413;
      if (!crashed && !halves.empty() && !halves.contains(number)) {
        refused = true;
        return 503;
      }
      halves.insert(number);
      return 204;
    };
    f.away = false;
    f.run_until([&] { return refused; });
    CHECK(halves.size() == 1);
    f.close();
    crashed = true;
    asked.clear();
    f.start();
    f.run_until([&] { return halves.size() == 2; });
    f.run_for(200ms);
    CHECK(halves.size() == 2);
    CHECK_FALSE(asked.contains(whole));  // it is known to be too large
    CHECK(f.on_disk() == 0);
  }

  TEST_CASE("spooling: a batch of a database that is gone is sent under its own name") {
    SpoolingSink f;
    f.begin_outage();
    f.push();
    f.run_until([&] { return f.settled(); });
    f.stop(1s);
    f.close();
    for (auto& entry : std::filesystem::directory_iterator(f.folder))
      if (entry.is_regular_file()) std::filesystem::remove(entry.path());
    f.away = false;
    f.file = {}, f.at = 0;
    f.start();
    f.push();
    f.run_until([&] { return f.acked.size() == 3; });
    CHECK(std::set<std::string>(f.acked.begin(), f.acked.end()).size() == 3);
  }
}

}  // namespace agent
