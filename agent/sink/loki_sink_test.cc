#include "agent/sink/loki_sink.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/http/http_router.h"
#include "pipeline/http/http_server.h"

namespace agent {
namespace {

using pipeline::Batch;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::LabelSet;
using namespace std::chrono_literals;

// The far side: a real server on loopback whose answers the test chooses.
struct FarSide {
  struct Push {
    std::string number, body, tenant, user_agent, authorization;
  };
  pipeline::Registry registry;
  std::vector<Push> pushes;
  std::function<void(size_t n, HttpResponder)> answer = [](size_t, HttpResponder responder) {
    responder.send(HttpResponse::empty(204));
  };
  std::vector<HttpResponder> hanging;
  std::unique_ptr<pipeline::HttpServer> server;
  uint16_t port = 0;

  void listen(pipeline::Loop& loop) {
    pipeline::HttpServerOptions options;
    options.address = pipeline::concat("127.0.0.1:", port);
    auto listening =
        pipeline::HttpServer::listen(loop, registry, options, [this](HttpRequest r, HttpResponder responder) {
          pushes.push_back({std::string(r.headers.get("X-Skidway-Batch")), std::move(r.body),
                            std::string(r.headers.get("X-Scope-OrgID")), std::string(r.headers.get("User-Agent")),
                            std::string(r.headers.get("Authorization"))});
          answer(pushes.size() - 1, std::move(responder));
        });
    REQUIRE(listening);
    server = std::move(*listening);
    port = server->port();
  }
  std::vector<pipeline::CollectedStream> streams(size_t n) const {
    pipeline::ByteBuffer plain;
    REQUIRE(pipeline::snappy_uncompress(pushes.at(n).body, 1 << 30, plain));
    pipeline::PushCollector collector;
    REQUIRE(pipeline::decode_push(plain.view(), collector));
    return collector.streams;
  }
};

struct Fixture {
  std::string folder;
  pipeline::SystemClock clock;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  FarSide far;
  SinkOptions options;
  std::unique_ptr<pipeline::Registry> registry;
  std::unique_ptr<MemoryBudget> memory;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<LokiSink> sink;
  std::unique_ptr<SinkPort> port;
  int rooms = 0;
  pipeline::LabelTable table;
  Batch batch{table};
  FileId file;
  uint64_t at = 0;  // in `file`

  Fixture() {
    char name[] = "/tmp/loki_sink.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    far.listen(*loop);
    options.name = "hub";
    options.retry.min = 5ms, options.retry.max = 20ms;
  }
  ~Fixture() {
    close();
    far.hanging.clear();
    far.server.reset();
    CHECK(loop->close());
    std::filesystem::remove_all(folder);
  }
  // A new run of the agent in the same folder.
  void start() {
    close();
    registry = std::make_unique<pipeline::Registry>();
    memory = std::make_unique<MemoryBudget>(64 << 20);
    auto opened = CheckpointStore::open({folder + "/checkpoints.db", {"hub"}, 1h}, *registry);
    REQUIRE(opened);
    store = std::move(*opened);
    options.url = pipeline::concat("http://127.0.0.1:", far.port, "/loki/api/v1/push");
    auto made = LokiSink::create(*loop, options, *store, *memory, clock, *registry);
    REQUIRE(made);
    sink = std::move(*made);
    port = sink->open_port([this] { rooms++; });
    if (!file) file = store->add_file({.source = "s", .path = "/x"});
  }
  // As kill -9, but for what the store's destructor writes: acks and positions not yet handed to it are gone.
  void close() {
    port.reset();
    sink.reset();
    store.reset();
  }
  void push(std::string_view line) {
    batch.add(line, static_cast<int64_t>(1000 + at), table.intern(LabelSet::parse(R"({app="api"})").value()),
              {at, at + line.size() + 1, static_cast<int64_t>(1000 + at)});
    at += line.size() + 1;
    port->append(batch, {file, at, 0});
    batch.clear();
    port->close_all();
  }
  template <class Condition>
  void run_until(Condition condition) {
    auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) loop->turn(50ms);
    REQUIRE(condition());
  }
  bool settled() const { return sink->position(file)->position == at; }
  bool stop(std::chrono::nanoseconds patience) {
    bool stopped = false;
    sink->stop(patience, [&] { stopped = true; });
    run_until([&] { return stopped; });
    return settled();
  }
  bool metric(const std::string& text) const { return registry->render().find(text) != std::string::npos; }
};

TEST_SUITE("agent/sink") {
  TEST_CASE("loki sink: sends a numbered batch and moves the position behind its ack") {
    Fixture f;
    f.options.tenant = "team-a";
    f.options.user_agent = "skidway-agent/9";
    f.start();
    f.push("hello");
    CHECK(f.sink->position(f.file)->position == 0);
    f.run_until([&] { return f.settled(); });
    REQUIRE(f.far.pushes.size() == 1);
    CHECK(f.far.pushes[0].number == f.store->resume().sinks.at("hub").producer.uuid + "/1/1");
    CHECK(f.far.pushes[0].tenant == "team-a");
    CHECK(f.far.pushes[0].user_agent == "skidway-agent/9");
    CHECK(f.far.streams(0)[0].entries[0].line == "hello");
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 1"));
    CHECK(f.metric("skidway_agent_sink_waiting_entries{sink=\"hub\"} 0"));
    CHECK(f.memory->used_bytes() == 0);
  }

  TEST_CASE("loki sink: the record is on disk before the batch is sent") {
    Fixture f;
    bool there = false;
    f.far.answer = [&](size_t, HttpResponder responder) {
      pipeline::Registry registry;
      auto other = CheckpointStore::open({f.folder + "/checkpoints.db", {"hub"}, 1h}, registry);
      REQUIRE(other);
      there = (*other)->resume().sinks.at("hub").records.size() == 1;
      responder.send(HttpResponse::empty(204));
    };
    f.start();
    f.push("hello");
    f.run_until([&] { return f.settled(); });
    CHECK(there);
  }

  TEST_CASE("loki sink: 429, 500 and a closed connection are repeated with the same bytes and number") {
    Fixture f;
    f.far.answer = [&](size_t n, HttpResponder responder) {
      if (n == 0) return responder.send(HttpResponse::text(429, "slow down"));
      if (n == 1) return responder.send(HttpResponse::text(500, "oops"));
      if (n == 2) {  // closes the connection, after this turn
        f.far.hanging.push_back(std::move(responder));
        return (void)f.loop->post([&] {
          f.far.server->close();
          f.far.hanging.clear();
          f.far.listen(*f.loop);
        });
      }
      responder.send(HttpResponse::empty(204));
    };
    f.start();
    f.push("hello");
    f.run_until([&] { return f.settled(); });
    REQUIRE(f.far.pushes.size() == 4);
    for (auto& push : f.far.pushes) {
      CHECK(push.number == f.far.pushes[0].number);
      CHECK(push.body == f.far.pushes[0].body);
    }
  }

  TEST_CASE("loki sink: an answer that does not come is given up after the time-out and asked for again") {
    Fixture f;
    f.options.timeout = 50ms;
    f.far.answer = [&](size_t n, HttpResponder responder) {
      if (n == 0) return f.far.hanging.push_back(std::move(responder));
      responder.send(HttpResponse::empty(204));
    };
    f.start();
    f.push("hello");
    f.run_until([&] { return f.settled(); });
    CHECK(f.far.pushes.size() == 2);
    CHECK(f.metric("skidway_agent_sink_request_seconds_count{sink=\"hub\",status=\"none\"} 1"));
  }

  TEST_CASE("loki sink: other answers drop the batch, counted, and the next one goes on") {
    Fixture f;
    f.far.answer = [](size_t n, HttpResponder responder) {
      responder.send(n == 0 ? HttpResponse::text(400, "entry too far behind\n") : HttpResponse::empty(204));
    };
    f.start();
    f.push("hello");
    f.push("world");
    f.run_until([&] { return f.settled(); });
    CHECK(f.far.pushes.size() == 2);
    CHECK(f.metric("skidway_agent_sink_dropped_entries_total{reason=\"rejected\",sink=\"hub\"} 1"));
    CHECK(f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 1"));
  }

  TEST_CASE("loki sink: gives up after max_retries, or at max_age, if the operator says so") {
    Fixture f;
    f.far.answer = [](size_t, HttpResponder responder) { responder.send(HttpResponse::text(503, "")); };
    SUBCASE("max_retries") {
      f.options.retry.max_retries = 2;
      f.start();
      f.push("hello");
      f.run_until([&] { return f.settled(); });
      CHECK(f.far.pushes.size() == 3);
      CHECK(f.metric("reason=\"max_retries\""));
    }
    SUBCASE("max_age") {
      f.options.retry.max_age = 30ms;
      f.start();
      f.push("hello");
      f.run_until([&] { return f.settled(); });
      CHECK(f.metric("reason=\"max_age\""));
    }
  }

  TEST_CASE("loki sink: Retry-After is waited for, even if it is longer than the backoff") {
    Fixture f;
    f.far.answer = [](size_t n, HttpResponder responder) {
      HttpResponse response = n == 0 ? HttpResponse::text(429, "") : HttpResponse::empty(204);
      if (n == 0) response.headers.add("Retry-After", "1");
      responder.send(std::move(response));
    };
    f.start();
    f.push("hello");
    auto start = std::chrono::steady_clock::now();
    f.run_until([&] { return f.settled(); });
    CHECK(std::chrono::steady_clock::now() - start >= 1s);
  }

  TEST_CASE("loki sink: is full while too many batches wait, and says when there is room") {
    Fixture f;
    f.options.max_in_flight = 2;
    f.far.answer = [&](size_t, HttpResponder responder) { f.far.hanging.push_back(std::move(responder)); };
    f.start();
    for (int i = 0; i < 4; i++) {
      CHECK(!f.port->full());
      f.push("hello");
    }
    CHECK(f.port->full());
    f.run_until([&] { return f.far.hanging.size() == 2; });
    CHECK(f.far.pushes.size() == 2);  // max_in_flight
    CHECK(f.rooms == 0);
    f.far.hanging[0].send(HttpResponse::empty(204));
    f.run_until([&] { return f.rooms == 1; });
    CHECK(!f.port->full());
    f.run_until([&] { return f.far.pushes.size() == 3; });
    CHECK(f.sink->position(f.file)->position == 6);
  }

  TEST_CASE("loki sink: is full when the memory budget is exceeded, but not while it holds nothing itself") {
    Fixture f;
    f.far.answer = [&](size_t, HttpResponder responder) { f.far.hanging.push_back(std::move(responder)); };
    f.start();
    f.memory->add(65 << 20);
    CHECK(!f.port->full());
    f.push("hello");
    CHECK(f.port->full());
    f.memory->release(65 << 20);
    CHECK(!f.port->full());
  }

  TEST_CASE("loki sink: is full when its bodies take a quarter of the memory limit") {
    Fixture f;
    f.options.max_in_flight = 64;
    f.options.compression = Compression::kIdentity;
    f.far.answer = [&](size_t, HttpResponder responder) { f.far.hanging.push_back(std::move(responder)); };
    f.start();
    f.memory->set_limit(1 << 20);
    f.push(std::string(100'000, 'x'));
    CHECK(!f.port->full());
    f.push(std::string(100'000, 'x'));
    CHECK(!f.port->full());
    f.push(std::string(100'000, 'x'));
    CHECK(f.port->full());
  }

  TEST_CASE(
      "loki sink: acks out of order leave the position at the lowest byte, and a restart sends only what is missing") {
    Fixture f;
    f.far.answer = [&](size_t n, HttpResponder responder) {
      if (n == 0) return f.far.hanging.push_back(std::move(responder));
      responder.send(HttpResponse::empty(204));
    };
    f.start();
    f.push("first");
    f.push("second");
    f.push("third");
    f.run_until([&] { return f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 2"); });
    CHECK(f.sink->position(f.file)->position == 0);
    CHECK(!f.stop(0s));
    f.far.hanging.clear();
    f.far.answer = [](size_t, HttpResponder responder) { responder.send(HttpResponse::empty(204)); };
    std::string number = f.far.pushes[0].number, body = f.far.pushes[0].body;
    f.far.pushes.clear();

    f.start();
    CHECK(f.sink->position(f.file)->position == 0);
    REQUIRE(f.sink->unacked().size() == 1);
    {
      auto rebuild = f.port->rebuild(f.sink->unacked()[0]);
      REQUIRE(rebuild->record().segments[0].ranges.size() == 1);
      f.batch.add("first", 1000, f.table.intern(LabelSet::parse(R"({app="api"})").value()), {0, 6, 1000});
      rebuild->append(f.batch, f.file);
      f.batch.clear();
      rebuild->finish();
    }
    f.at = 0;
    for (auto line : {"first", "second", "third", "fourth"}) f.push(line);  // as a reader from the position on
    f.run_until([&] { return f.settled(); });
    REQUIRE(f.far.pushes.size() == 2);
    std::set<std::string> numbers{f.far.pushes[0].number, f.far.pushes[1].number};
    CHECK(numbers.contains(number));
    CHECK(f.far.pushes[f.far.pushes[0].number == number ? 0 : 1].body == body);
    CHECK(f.far.streams(f.far.pushes[0].number == number ? 1 : 0)[0].entries[0].line == "fourth");
    CHECK(f.stop(1s));
    f.start();
    CHECK(f.sink->unacked().empty());
    CHECK(f.store->resume().sinks.at("hub").records.empty());
    CHECK(f.sink->position(f.file)->position == f.at);
  }

  TEST_CASE("loki sink: stopping waits for acks, then saves positions") {
    Fixture f;
    f.far.answer = [&](size_t, HttpResponder responder) {
      f.far.hanging.push_back(std::move(responder));
      f.loop->post([&] {
        f.far.hanging[0].send(HttpResponse::empty(204));
        f.far.hanging.clear();
      });
    };
    f.start();
    f.push("hello");
    CHECK(f.stop(10s));
    f.start();
    CHECK(f.sink->unacked().empty());
    CHECK(f.sink->position(f.file)->position == f.at);
  }

  TEST_CASE("loki sink: stopping gives up waiting at its deadline, and the batch is there at the next start") {
    Fixture f;
    f.far.answer = [&](size_t, HttpResponder responder) { f.far.hanging.push_back(std::move(responder)); };
    f.start();
    f.push("hello");
    f.run_until([&] { return f.far.hanging.size() == 1; });
    CHECK(!f.stop(20ms));
    f.start();
    CHECK(f.sink->unacked().size() == 1);
    CHECK(f.sink->position(f.file)->position == 0);
  }

  TEST_CASE("loki sink: bytes of no file are sent without a record") {
    Fixture f;
    f.start();
    f.batch.add("hello", 5, f.table.intern(LabelSet::parse(R"({app="api"})").value()), {});
    f.port->append(f.batch, {});
    f.port->close_all();
    f.run_until([&] { return f.metric("skidway_agent_sink_sent_entries_total{sink=\"hub\"} 1"); });
    CHECK(f.store->resume().sinks.at("hub").records.empty());
  }
}

}  // namespace
}  // namespace agent
