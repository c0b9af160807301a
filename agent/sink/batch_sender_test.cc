#include "agent/sink/batch_sender.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

#include "agent/sink/body_encoding.h"
#include "agent/sink/open_batch.h"
#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/http/http_router.h"
#include "pipeline/http/http_server.h"

namespace agent {
namespace {

using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using namespace std::chrono_literals;

// A real server on loopback whose answers the test chooses.
struct Server {
  struct Push {
    std::string number;
    std::vector<std::string> lines;
  };
  pipeline::Registry registry;
  std::vector<Push> pushes;
  std::function<HttpResponse(const Push&)> answer = [](const Push&) { return HttpResponse::empty(204); };
  bool silent = false;
  std::vector<HttpResponder> hanging;
  std::unique_ptr<pipeline::HttpServer> http;

  explicit Server(pipeline::Loop& loop) {
    pipeline::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auto listening =
        pipeline::HttpServer::listen(loop, registry, options, [this](HttpRequest request, HttpResponder responder) {
          pipeline::ByteBuffer plain;
          pipeline::PushCollector collector;
          REQUIRE(uncompress_body(request.body, Compression::kSnappy, plain));
          REQUIRE(pipeline::decode_push(plain.view(), collector));
          Push push{std::string(request.headers.get("X-Skidway-Batch")), {}};
          for (auto& stream : collector.streams)
            for (auto& entry : stream.entries) push.lines.push_back(entry.line);
          pushes.push_back(push);
          if (silent) return hanging.push_back(std::move(responder));
          responder.send(answer(push));
        });
    REQUIRE(listening);
    http = std::move(*listening);
  }
  std::string url() const { return pipeline::concat("http://127.0.0.1:", http->port(), "/push"); }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const Push& push : pushes) all.insert(all.end(), push.lines.begin(), push.lines.end());
    return all;
  }
};

HttpResponse with_status(int status, std::string text = "") { return HttpResponse::text(status, std::move(text)); }

struct Fixture {
  std::string folder;
  pipeline::SystemClock clock;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  Server first{*loop}, second{*loop};
  SinkOptions options;
  std::unique_ptr<pipeline::Registry> registry;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<SinkMetrics> metrics;
  std::unique_ptr<BatchSender> sender;
  uint64_t seq = 0;
  std::vector<BatchNumber> settled;

  Fixture() {
    char name[] = "/tmp/batch_sender.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    options.name = "hub";
    options.url = first.url();
    options.retry.min = 2ms, options.retry.max = 5ms;
  }
  ~Fixture() {
    close();
    first.hanging.clear(), second.hanging.clear();
    first.http.reset(), second.http.reset();
    CHECK(loop->close());
    std::filesystem::remove_all(folder);
  }
  void close() { sender.reset(), metrics.reset(), store.reset(); }
  // A new run; what was under way is forgotten, as by kill -9.
  void start() {
    close();
    registry = std::make_unique<pipeline::Registry>();
    auto opened = CheckpointStore::open({folder + "/checkpoints.db", {"hub"}, 5ms}, *registry);
    REQUIRE(opened);
    store = std::move(*opened);
    metrics = std::make_unique<SinkMetrics>(*registry, "hub", "");
    const uint64_t epoch = store->resume().sinks.at("hub").producer.epoch;
    auto made = BatchSender::create(options,
                                    {*loop, "00000000-0000-4000-8000-000000000000", *store, clock, *metrics,
                                     [this, epoch] {
                                       return BatchNumber{epoch, 100 + ++seq};
                                     },
                                     [this](std::shared_ptr<ClosedBatch> batch) { settled.push_back(batch->number); }});
    REQUIRE(made);
    sender = std::move(*made);
  }
  void send(uint64_t number, int entries, const std::string& stream = "{a=\"b\"}") {
    OpenBatch open("", 1 << 20);
    for (int i = 1; i <= entries; i++) open.add(open.stream(stream), i, std::to_string(i), {});
    auto content = open.take(Compression::kSnappy);
    auto batch = std::make_shared<ClosedBatch>();
    batch->number = {1, number};
    batch->body = std::make_shared<const std::string>(std::move(content.body));
    batch->record = std::make_shared<const BatchRecord>();
    batch->volume = content.volume;
    batch->closed_at = clock.monotonic();
    metrics->take(batch->volume);
    sender->send(std::move(batch));
  }
  template <class Condition>
  void run_until(Condition condition) {
    auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) loop->turn(20ms);
    REQUIRE(condition());
  }
  bool metric(const std::string& text) const { return registry->render().find(text) != std::string::npos; }
  std::string dead_letters() const {
    std::stringstream all;
    for (auto& entry : std::filesystem::directory_iterator(folder + "/dead"))
      all << std::ifstream(entry.path()).rdbuf();
    return all.str();
  }
};

using Lines = std::vector<std::string>;
Lines lines_to(int n) {
  Lines lines;
  for (int i = 1; i <= n; i++) lines.push_back(std::to_string(i));
  return lines;
}

TEST_SUITE("agent/sink") {
  TEST_CASE("batch sender: what is too large is sent in halves, and their halves, under numbers of their own") {
    Fixture f;
    Lines stored;
    f.first.answer = [&](const Server::Push& push) {
      if (push.lines.size() > 3) return with_status(413, "request body too large");
      stored.insert(stored.end(), push.lines.begin(), push.lines.end());
      return HttpResponse::empty(204);
    };
    f.start();
    f.send(1, 10);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.settled[0] == BatchNumber{1, 1});
    std::sort(stored.begin(), stored.end(), [](auto& a, auto& b) { return std::stoi(a) < std::stoi(b); });
    CHECK(stored == lines_to(10));
    std::set<std::string> numbers;
    for (auto& push : f.first.pushes) numbers.insert(push.number);
    CHECK(numbers.size() == f.first.pushes.size());
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 10"));
    CHECK(f.metric("skidway_agent_sink_split_batches_total{sink=\"hub\"} 3"));
    CHECK(f.sender->batch_limit() < 17'000);
    CHECK(f.metric("skidway_agent_sink_waiting_entries{sink=\"hub\"} 0"));
  }

  TEST_CASE(
      "batch sender: after a crash a split batch is split the same way, even if the far side now takes it whole") {
    Fixture f;
    std::map<std::string, Lines> stored;  // by number, as a server that stores each once
    f.first.answer = [&](const Server::Push& push) {
      if (push.lines.size() > 2) return with_status(413);
      if (push.lines[0] != "1") return with_status(503);  // the second half does not get through
      stored.emplace(push.number, push.lines);
      return HttpResponse::empty(204);
    };
    f.start();
    f.send(1, 4);
    f.run_until([&] { return !stored.empty() && f.first.pushes.size() > 4; });
    CHECK(f.settled.empty());
    f.start();
    f.first.answer = [&](const Server::Push& push) {
      stored.emplace(push.number, push.lines);
      return HttpResponse::empty(204);
    };
    f.send(1, 4);
    f.run_until([&] { return f.settled.size() == 1; });
    Lines all;
    for (auto& [number, lines] : stored) all.insert(all.end(), lines.begin(), lines.end());
    std::sort(all.begin(), all.end());
    CHECK(all == lines_to(4));
    f.start();  // nothing is left of the split
    CHECK(f.store->resume().cursors.empty());
  }

  TEST_CASE("batch sender: one entry that is too large is dropped, counted") {
    Fixture f;
    f.first.answer = [&](const Server::Push& push) {
      return push.lines == Lines{"2"} || push.lines.size() > 1 ? with_status(413) : HttpResponse::empty(204);
    };
    f.start();
    f.send(1, 3);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.metric("skidway_agent_sink_dropped_entries_total{reason=\"too_large\",sink=\"hub\"} 1"));
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 2"));
  }

  TEST_CASE("batch sender: asks for smaller batches after one that is too large, and for larger ones again later") {
    Fixture f;
    f.first.answer = [&](const Server::Push& push) {
      return push.lines.size() > 50'000 ? with_status(413) : HttpResponse::empty(204);
    };
    f.start();
    CHECK(f.sender->batch_limit() == ~uint64_t{0});
    f.send(1, 60'000);
    f.run_until([&] { return f.settled.size() == 1; });
    const uint64_t after = f.sender->batch_limit();
    CHECK(after > 140'000);
    CHECK(after < 150'000);
    for (uint64_t i = 2; i < 12; i++) f.send(i, 1);
    f.run_until([&] { return f.settled.size() == 11; });
    CHECK(f.sender->batch_limit() > after);
  }

  TEST_CASE("batch sender: entries that were refused are counted by reason, the others as sent") {
    Fixture f;
    f.first.answer = [&](const Server::Push&) {
      return with_status(400,
                         "2 errors like: entry for stream '{a=\"b\"}' has timestamp too old: x; 1 errors like: max "
                         "entry size '1' bytes exceeded for stream '{a=\"b\"}'\n");
    };
    f.start();
    f.send(1, 10);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.metric("dropped_entries_total{reason=\"greater_than_max_sample_age\",sink=\"hub\"} 2"));
    CHECK(f.metric("dropped_entries_total{reason=\"line_too_long\",sink=\"hub\"} 1"));
    CHECK(f.metric("dropped_entries_total{reason=\"rejected\",sink=\"hub\"} 0"));
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 7"));
    CHECK(f.metric("skidway_agent_sink_waiting_entries{sink=\"hub\"} 0"));
  }

  TEST_CASE("batch sender: a wrong secret is tried again until it is right") {
    Fixture f;
    f.first.answer = [&](const Server::Push&) { return with_status(f.first.pushes.size() < 3 ? 401 : 204); };
    f.start();
    f.send(1, 1);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 1"));
  }

  TEST_CASE("batch sender: what is refused is a dead letter, on disk before the drop counts") {
    Fixture f;
    f.options.dead_letter.dir = f.folder + "/dead";
    f.first.answer = [](const Server::Push&) { return with_status(400, "no \"such\" tenant\n"); };
    f.start();
    f.send(1, 2);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.dead_letters() ==
          "{\"timestamp\":\"1970-01-01T00:00:00.000000001Z\",\"labels\":{\"a\":\"b\"},\"line\":\"1\",\"sink\":\"hub\","
          "\"tenant\":\"\",\"reason\":\"rejected\",\"status\":400,\"error\":\"server returned HTTP status 400 Bad "
          "Request: "
          "no \\\"such\\\" tenant\"}\n"
          "{\"timestamp\":\"1970-01-01T00:00:00.000000002Z\",\"labels\":{\"a\":\"b\"},\"line\":\"2\",\"sink\":\"hub\","
          "\"tenant\":\"\",\"reason\":\"rejected\",\"status\":400,\"error\":\"server returned HTTP status 400 Bad "
          "Request: "
          "no \\\"such\\\" tenant\"}\n");
    CHECK(f.metric("skidway_agent_sink_dead_letter_entries_total{sink=\"hub\"} 2"));
    CHECK(f.metric("skidway_agent_sink_dropped_entries_total{reason=\"rejected\",sink=\"hub\"} 2"));
  }

  TEST_CASE("batch sender: a dead letter that cannot be written is not dropped") {
    Fixture f;
    f.options.dead_letter.dir = f.folder + "/dead";
    std::ofstream(f.folder + "/dead") << "a file is in the way";
    f.first.answer = [](const Server::Push&) { return with_status(400); };
    f.start();
    f.send(1, 1);
    f.run_until([&] { return f.metric("skidway_agent_sink_dead_letter_failures_total{sink=\"hub\"} 1"); });
    CHECK(f.settled.empty());
    std::filesystem::remove(f.folder + "/dead");
    f.run_until([&] { return f.settled.size() == 1; });  // after five seconds
    CHECK(f.first.pushes.size() == 1);
    CHECK(!f.dead_letters().empty());
  }

  TEST_CASE("batch sender: dead letters keep their limit, the oldest go first") {
    Fixture f;
    f.options.dead_letter = {f.folder + "/dead", 4096};
    f.first.answer = [](const Server::Push&) { return with_status(400); };
    for (int run = 0; run < 2; run++) {
      f.start();
      f.settled.clear();
      for (uint64_t i = 1; i <= 40; i++)
        f.send(i + 40 * static_cast<uint64_t>(run), 1, "{n=\"" + std::to_string(i) + "\"}");
      f.run_until([&] { return f.settled.size() == 40; });
      std::string left = f.dead_letters();
      CHECK(left.size() <= 4096);
      CHECK(left.size() > 2048);
      CHECK(left.find("\"40\"") != std::string::npos);
      CHECK(left.find("\"n\":\"1\"") == std::string::npos);
      CHECK(!f.metric("skidway_agent_sink_dead_letter_removed_bytes_total{sink=\"hub\"} 0"));
    }
  }

  TEST_CASE("batch sender: goes over to the next URL when the first fails, and back when it works") {
    Fixture f;
    f.options.failover_urls = {f.second.url()};
    f.first.answer = [](const Server::Push&) { return with_status(500); };
    f.start();
    f.send(1, 1);
    f.run_until([&] { return f.settled.size() == 1; });
    CHECK(f.first.pushes.size() == UrlChoice::kFailures);
    REQUIRE(f.second.pushes.size() == 1);
    CHECK(f.second.pushes[0].number == f.first.pushes[0].number);
    CHECK(f.metric("skidway_agent_sink_failovers_total{sink=\"hub\"} 1"));
  }

  TEST_CASE("url choice: the first again after a probe that works, the next in turn as long as none does") {
    UrlChoice urls(3);
    std::chrono::nanoseconds now = 1h;
    auto fail = [&](size_t url) {
      for (uint64_t i = 1; i < UrlChoice::kFailures; i++) CHECK(!urls.failed(url, now));
      return urls.failed(url, now);
    };
    CHECK(urls.next(now) == 0);
    CHECK(fail(0));
    CHECK(urls.next(now) == 1);
    CHECK(fail(1));
    CHECK(fail(2));
    CHECK(urls.next(now) == 0);
    CHECK(fail(0));
    CHECK(!urls.worked(1));
    now += UrlChoice::kProbeEvery;
    CHECK(urls.next(now) == 0);  // the probe
    CHECK(urls.next(now) == 1);
    CHECK(!urls.failed(0, now));
    now += UrlChoice::kProbeEvery;
    CHECK(urls.next(now) == 0);
    CHECK(urls.worked(0));
    CHECK(urls.next(now) == 0);
    UrlChoice only(1);
    for (int i = 0; i < 10; i++) CHECK(!only.failed(0, now));
  }

  TEST_CASE("batch sender: a late answer is asked for elsewhere, under the same number, and counts once") {
    Fixture f;
    f.options.failover_urls = {f.second.url()};
    f.options.hedge = true;
    f.start();
    for (uint64_t i = 1; i <= SendWindow::kRemembered; i++) {
      f.send(i, 1);
      f.run_until([&] { return f.settled.size() == i; });
    }
    CHECK(f.second.pushes.empty());
    f.first.silent = true;
    f.send(500, 1);
    f.run_until([&] { return f.settled.size() == SendWindow::kRemembered + 1; });
    REQUIRE(f.second.pushes.size() == 1);
    CHECK(f.second.pushes[0].number == f.first.pushes.back().number);
    CHECK(f.metric("skidway_agent_sink_hedged_requests_total{sink=\"hub\"} 1"));
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 101"));
    CHECK(f.sender->has_room());
  }

  TEST_CASE("send window: grows with acks, halves at a push back, and not twice for what was sent together") {
    SendWindow window(8);
    CHECK(window.size() == 8);
    window.pushed_back(10ms, 20ms);
    window.pushed_back(10ms, 21ms);
    CHECK(window.size() == 4);
    for (int i = 0; i < 10; i++) window.pushed_back(30ms + i * 10ms, 35ms + i * 10ms);
    CHECK(window.size() == 1);
    for (int i = 0; i < 3; i++) window.acked(1s, 1s + 10ms);
    CHECK(window.size() == 2);
    for (int i = 0; i < 100; i++) window.acked(2s, 2s + 10ms);
    CHECK(window.size() == 8);
    window.set_max(2);
    CHECK(window.size() == 2);
  }

  TEST_CASE("send window: gives way when answers take much longer than usual, but not for a few milliseconds") {
    SendWindow window(10);
    for (int i = 0; i < 50; i++) window.acked(1s, 1s + 10ms);
    window.acked(2s, 2s + 100ms);
    CHECK(window.size() == 10);
    window.acked(3s, 4s);
    CHECK(window.size() == 8);
    CHECK(!window.longest_as_a_rule());
    for (int i = 0; i < 100; i++) window.acked(5s, 5s + 20ms);
    CHECK(window.longest_as_a_rule() == 20ms);
  }

  TEST_CASE("batch sender: sends one at a time to a far side that pushes back, then more again") {
    Fixture f;
    f.options.max_in_flight = 4;
    f.start();
    f.first.silent = true;
    for (uint64_t i = 1; i <= 4; i++) f.send(i, 1);
    f.run_until([&] { return f.first.hanging.size() == 4; });
    CHECK(!f.sender->has_room());
    f.first.silent = false;
    int refusals = 6;
    f.first.answer = [&](const Server::Push&) { return with_status(refusals-- > 0 ? 429 : 204); };
    for (auto& responder : f.first.hanging) responder.send(with_status(429));
    f.first.hanging.clear();
    f.run_until([&] { return f.metric("skidway_agent_sink_window_requests{sink=\"hub\"} 1"); });
    f.run_until([&] { return f.settled.size() == 4; });
    for (uint64_t i = 5; i < 40; i++) {
      f.send(i, 1);
      f.run_until([&] { return f.settled.size() == i; });
    }
    CHECK(f.metric("skidway_agent_sink_window_requests{sink=\"hub\"} 4"));
  }

  TEST_CASE("file stamps: a file that is written, replaced, removed or made again has changed") {
    Fixture f;
    const std::string path = f.folder + "/cert.pem";
    FileStamps stamps({"", path});
    CHECK(!stamps.changed());
    std::ofstream(path) << "one";
    CHECK(stamps.changed());
    CHECK(!stamps.changed());
    std::ofstream(path + ".new") << "two";
    std::filesystem::rename(path + ".new", path);
    CHECK(stamps.changed());
    std::filesystem::remove(path);
    CHECK(stamps.changed());
    CHECK(!stamps.changed());
  }
}

}  // namespace
}  // namespace agent
