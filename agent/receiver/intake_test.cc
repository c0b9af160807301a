#include "agent/receiver/intake.h"

#include <doctest/doctest.h>

#include "agent/receiver/push_protocol.h"

namespace agent {
namespace {

using namespace std::chrono_literals;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

class SetClock final : public pipeline::Clock {
 public:
  pipeline::UnixNanos wall() const override { return 1'700'000'000'000'000'000; }
  std::chrono::nanoseconds monotonic() const override { return now; }
  std::chrono::nanoseconds now{0};
};

// A reader without sinks: what it reads is settled at once, so nothing is as long as it has not started.
struct Fixture {
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  MemoryBudget memory{64 << 20};
  SetClock clock;
  pipeline::Registry metrics;
  std::unique_ptr<CheckpointStore> store = *CheckpointStore::open({":memory:", {}}, metrics);
  HttpListeners listeners{*loop, metrics};
  std::shared_ptr<PushOptions> push = std::make_shared<PushOptions>();
  std::shared_ptr<SourceOptions> source = std::make_shared<SourceOptions>();
  std::unique_ptr<StreamReader> reader;
  std::shared_ptr<Intake> intake;
  std::vector<HttpResponse> answers;

  Fixture() {
    source->name = "in", source->type = SourceType::kStream, source->stream_type = "push";
    reader = std::make_unique<StreamReader>(*loop, source, memory, clock, metrics);
    StreamParts parts{*loop, source, *reader, StreamCursors(*store, "in", "sink"), memory, clock, metrics, &listeners};
    intake = std::make_shared<Intake>(parts, std::make_shared<PushProtocol>(push));
  }
  ~Fixture() {
    intake->stop();
    reader->stop();
    reader->give_up();
    reader.reset();
    intake.reset();
  }

  void send(std::string body, pipeline::HttpHeaders headers = {}) {
    HttpRequest request{"POST", "/loki/api/v1/push", "/loki/api/v1/push", "", std::move(headers), std::move(body)};
    request.headers.add("Content-Type", "application/json");
    request.peer = "127.0.0.1:4711";
    intake->handle(std::move(request), HttpResponder([this](HttpResponse response, std::string_view) {
                     answers.push_back(std::move(response));
                   }));
  }
  template <class F>
  bool until(F true_at_last) {
    for (int i = 0; i < 500 && !true_at_last(); i++) loop->turn(10ms);
    return true_at_last();
  }
  void settle_down() {  // decoded and handed over
    REQUIRE(until([&] { return reader->waiting(); }));
  }
  uint64_t entries() {
    return metrics.counter("skidway_agent_receiver_entries_total", "Entries taken from clients.", {{"source", "in"}})
        .value();
  }
};

std::string body(std::string_view line) {
  return pipeline::concat(R"({"streams":[{"stream":{"app":"a"},"values":[["1700000000000000001",")", line, R"("]]}]})");
}
const pipeline::HttpHeaders kNumber = {{"X-Skidway-Batch", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/7/1"}};

}  // namespace

TEST_SUITE("agent/receiver") {
  TEST_CASE("intake: a client hears when its entries are settled, not before") {
    Fixture f;
    f.send(body("one"));
    f.settle_down();
    for (int i = 0; i < 3; i++) f.loop->turn(5ms);
    CHECK(f.answers.empty());
    f.reader->start();
    REQUIRE(f.until([&] { return f.answers.size() == 1; }));
    CHECK(f.answers[0].status == 204);
    CHECK(f.entries() == 1);
  }

  TEST_CASE("intake: a numbered batch that comes again is taken once, under way and settled") {
    Fixture f;
    f.send(body("one"), kNumber);
    f.send(body("one"), kNumber);
    f.settle_down();
    f.reader->start();
    REQUIRE(f.until([&] { return f.answers.size() == 2; }));
    f.send(body("one"), kNumber);
    REQUIRE(f.answers.size() == 3);
    for (auto& answer : f.answers) CHECK(answer.status == 204);
    CHECK(f.entries() == 1);
    f.send(body("two"), {{"X-Skidway-Batch", "6f1c0c1e-5a55-4f0e-9a53-3d5f3a3a9c11/7/2"}});
    REQUIRE(f.until([&] { return f.answers.size() == 4; }));
    CHECK(f.entries() == 2);
  }

  TEST_CASE("intake: the same request without a number, sent again while it is under way, is one") {
    Fixture f;
    f.send(body("one"));
    f.send(body("one"));
    f.send(body("two"));
    f.settle_down();
    f.reader->start();
    REQUIRE(f.until([&] { return f.answers.size() == 3; }));
    CHECK(f.entries() == 2);
    f.push->use_incoming_timestamp = false;  // then each is an entry of its own
    f.send(body("three"));
    f.send(body("three"));
    REQUIRE(f.until([&] { return f.answers.size() == 5; }));
    CHECK(f.entries() == 4);
  }

  TEST_CASE("intake: without room a client is told to keep its entries") {
    Fixture f;
    f.memory.set_limit(10);
    f.memory.add(11);
    f.send(body("one"));
    REQUIRE(f.answers.size() == 1);
    CHECK(f.answers[0].status == 503);
    CHECK(f.answers[0].headers.get("Retry-After") == "1");
    CHECK(f.entries() == 0);
    f.memory.release(11);
    f.reader->start();
    f.send(body("one"));
    REQUIRE(f.until([&] { return f.answers.size() == 2; }));
    CHECK(f.answers[1].status == 204);
  }

  TEST_CASE("intake: a settlement that takes long is told later, to the request that comes again") {
    Fixture f;
    f.send(body("one"), kNumber);
    f.settle_down();
    f.clock.now = Intake::kHold;
    REQUIRE(f.until([&] { return f.answers.size() == 1; }));
    CHECK(f.answers[0].status == 503);
    CHECK(f.answers[0].headers.get("Retry-After") == "1");
    f.send(body("one"), kNumber);
    f.reader->start();
    REQUIRE(f.until([&] { return f.answers.size() == 2; }));
    CHECK(f.answers[1].status == 204);
    CHECK(f.entries() == 1);
  }

  TEST_CASE("intake: when the agent stops before the settlement, clients keep their entries") {
    Fixture f;
    f.send(body("one"), kNumber);
    f.settle_down();
    f.intake->stop();
    f.send(body("two"));
    REQUIRE(f.answers.size() == 1);
    CHECK(f.answers[0].status == 503);
    f.reader->give_up();
    REQUIRE(f.answers.size() == 2);
    CHECK(f.answers[1].status == 503);
  }

  TEST_CASE("intake: what cannot be read is refused, the rest of its request is taken first") {
    Fixture f;
    f.send("{");
    REQUIRE(f.until([&] { return f.answers.size() == 1; }));
    CHECK(f.answers[0].status == 400);
    f.push->listen.max_body_bytes = 10;
    f.send(std::string("\x78\x9c"), {{"Content-Encoding", "br"}});
    REQUIRE(f.until([&] { return f.answers.size() == 2; }));
    CHECK(f.answers[1].status == 400);
    CHECK(f.answers[1].body == "Content-Encoding \"br\" not supported; use snappy, gzip, deflate\n");
    f.send(R"({"streams":[{"stream":{"bad name":"x"},"values":[["1","lost"]]},
                          {"stream":{"app":"x"},"values":[["1","kept"]]}]})");
    f.settle_down();
    CHECK(f.answers.size() == 2);
    f.reader->start();
    REQUIRE(f.until([&] { return f.answers.size() == 3; }));
    CHECK(f.answers[2].status == 400);
    CHECK(f.answers[2].body.find("couldn't parse labels") == 0);
    CHECK(f.entries() == 1);
  }

  TEST_CASE("intake: only so many numbers are remembered") {
    RequestTable table;
    auto add = [&](uint64_t n) {
      auto request = std::make_shared<UnderwayRequest>();
      request->identity = pipeline::Hash128{0, n};
      request->numbered = true;
      table.begin(request);
      table.end(request, true);
    };
    for (uint64_t n = 0; n <= RequestTable::kRemembered; n++) add(n);
    RequestTable::RequestPtr found;
    CHECK(table.look({0, 0}, found) == RequestTable::Seen::kNew);
    CHECK(table.look({0, 1}, found) == RequestTable::Seen::kSettled);
    CHECK(table.underway() == 0);
  }
}

}  // namespace agent
