#include "agent/kubernetes/reflector.h"

#include <deque>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>

#include "pipeline/base/concat.h"
#include "pipeline/loop/tcp.h"

using namespace agent;
using namespace std::chrono_literals;
using pipeline::concat;

namespace {
using Told = std::vector<std::string>;
constexpr std::string_view kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string recorded(const std::string& name) {
  std::ifstream file(concat(CONFORMANCE_FOLDER, "/recorded/", name), std::ios::binary);
  REQUIRE_MESSAGE(file.good(), name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string whole(int status, std::string_view body) {
  return concat("HTTP/1.1 ", status, " X\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}
std::string list(std::string_view version, std::string_view names) {
  std::string items;
  for (char name : names)
    items += concat(items.empty() ? "" : ",", R"({"metadata":{"name":")", std::string(1, name), R"("}})");
  return whole(200, concat(R"({"metadata":{"resourceVersion":")", version, R"("},"items":[)", items, "]}"));
}
std::string chunk(std::string_view text) {
  std::ostringstream size;
  size << std::hex << text.size();
  return concat(size.str(), "\r\n", text, "\r\n");
}
std::string event(std::string_view type, std::string_view name, std::string_view version) {
  return chunk(concat(R"({"type":")", type, R"(","object":{"metadata":{"name":")", name, R"(","resourceVersion":")",
                      version, "\"}}}\n"));
}
const std::string kEnd = "0\r\n\r\n";
const std::string kNoStreams = whole(422, R"({"kind":"Status","reason":"Invalid","message":"no","code":422})");

// A server that gives each request the next answer (the last again and again), and a reflector that asks it.
class Api final : public ObjectHandler {
 public:
  explicit Api(std::deque<std::string> answers, std::function<void(ReflectorOptions&)> change = nullptr)
      : answers_(std::move(answers)) {
    ReflectorOptions options;
    options.what = "things";
    options.path = "/things";
    options.selector = "fieldSelector=a%3Db";
    options.first_backoff = 10ms;
    options.longest_backoff = 20ms;
    if (change) change(options);
    api = *ApiClient::create(
        *loop, {.server = concat("http://127.0.0.1:", listener_->port(), "/"), .ca_file = {}, .token_file = {}});
    reflector = std::make_unique<Reflector>(*loop, *api, options, *this, metrics);
  }
  ~Api() override {
    reflector.reset();
    api.reset();
    streams_.clear();
    listener_.reset();
    CHECK(loop->close().has_value());
  }
  void run_until(const std::function<bool()>& done) {
    const auto begun = std::chrono::steady_clock::now();
    while (!done() && std::chrono::steady_clock::now() - begun < 20s) loop->turn(5ms);
    REQUIRE(done());
  }
  bool asked(size_t i, std::string_view part) const { return asks.at(i).find(part) != std::string::npos; }

  void begin_list() override { told.push_back("begin"); }
  void add(const pipeline::JsonValue& object) override { told.push_back("add " + name_of(object)); }
  void end_list() override { told.push_back("end"); }
  void changed(const pipeline::JsonValue& object) override { told.push_back("changed " + name_of(object)); }
  void removed(const pipeline::JsonValue& object) override { told.push_back("removed " + name_of(object)); }

  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::Registry metrics;
  std::unique_ptr<ApiClient> api;
  std::unique_ptr<Reflector> reflector;
  Told told;
  std::vector<std::string> asks;
  size_t piece_bytes = 0;  // 0: answers are written whole

 private:
  static std::string name_of(const pipeline::JsonValue& object) { return ObjectMeta::read(ObjectReader(object)).name; }
  void on_stream(std::unique_ptr<pipeline::TcpStream> stream) {
    auto* peer = streams_.emplace_back(std::move(stream)).get();
    auto text = std::make_shared<std::string>();
    peer->start_reading(
        [this, peer, text](std::string_view bytes) {
          *text += bytes;
          if (!text->ends_with("\r\n\r\n")) return;
          asks.push_back(text->substr(4, text->find(' ', 4) - 4));
          text->clear();
          const std::string answer = answers_.front();
          if (answers_.size() > 1) answers_.pop_front();
          const size_t step = piece_bytes == 0 ? answer.size() : piece_bytes;
          for (size_t at = 0; at < answer.size(); at += step)
            peer->write({answer.substr(at, step)}, [](pipeline::Result<void>) {});
        },
        [](pipeline::Result<void>) {});
  }

  std::deque<std::string> answers_;
  std::vector<std::unique_ptr<pipeline::TcpStream>> streams_;
  std::unique_ptr<pipeline::TcpListener> listener_ = *pipeline::TcpListener::listen(
      *loop, "127.0.0.1:0", [this](std::unique_ptr<pipeline::TcpStream> stream) { on_stream(std::move(stream)); });
};
}  // namespace

TEST_SUITE("agent/kubernetes") {
  TEST_CASE("reflector: recorded events come in their order however the bytes are cut") {
    Api f({kNoStreams, list("368", ""), recorded("060-watch-pods-node-a.http"), std::string(kChunked)});
    SUBCASE("whole") {}
    SUBCASE("in small pieces") { f.piece_bytes = 7; }
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 4; });
    CHECK(f.told == Told{"begin", "begin", "end", "changed churn-a-1", "changed churn-a-1", "changed churn-a-1",
                         "changed churn-a-1", "changed churn-late-1", "changed churn-late-1", "changed churn-late-1",
                         "changed churn-a-1", "changed churn-a-1", "changed churn-a-1", "removed churn-a-1",
                         "changed churn-late-1", "removed churn-late-1"});
    CHECK(f.asked(2, "/things?fieldSelector=a%3Db&allowWatchBookmarks=true&resourceVersion=368&timeoutSeconds="));
    CHECK(f.asked(3, "resourceVersion=391&"));
    CHECK(f.reflector->synced());
    CHECK(f.reflector->trouble().empty());
  }

  TEST_CASE("reflector: a server that does not know streamed lists is noticed by the end mark that never comes") {
    Api f({concat(kChunked, event("ADDED", "a", "1")), list("5", "ab"), std::string(kChunked)},
          [](ReflectorOptions& o) { o.end_mark_wait = 40ms; });
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 3; });
    CHECK(f.told == Told{"begin", "add a", "begin", "add a", "add b", "end"});
    CHECK(f.asked(0, "sendInitialEvents=true"));
    CHECK_FALSE(f.asked(1, "watch=true"));
    CHECK(f.asked(2, "resourceVersion=5&"));
  }

  TEST_CASE("reflector: what is no JSON, or too large, ends the watch, and everything is listed anew") {
    std::string answer;
    SUBCASE("no JSON") { answer = concat(kChunked, event("ADDED", "a", "6"), chunk("{\"type\":\n")); }
    SUBCASE("too large") {
      answer = concat(kChunked, event("ADDED", "a", "6"), chunk(std::string((16 << 20) + 1, 'x')));
    }
    Api f({kNoStreams, list("5", ""), answer, list("7", "z"), std::string(kChunked)});
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 5; });
    CHECK(f.told == Told{"begin", "begin", "end", "changed a", "begin", "add z", "end"});
    CHECK_FALSE(f.asked(3, "resourceVersion"));  // the latest, whatever was seen
    CHECK(f.asked(4, "resourceVersion=7&"));
  }

  TEST_CASE("reflector: a list that is no JSON is asked for again, and a half list changes nothing") {
    Api f({kNoStreams, whole(200, "<html>"), list("5", "a"), std::string(kChunked)});
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 4; });
    CHECK(f.told == Told{"begin", "begin", "add a", "end"});
  }

  TEST_CASE("reflector: watches that end at once are not asked for without a pause") {
    Api f({kNoStreams, list("5", ""), concat(kChunked, kEnd)},
          [](ReflectorOptions& o) { o.first_backoff = o.longest_backoff = 100ms; });
    f.reflector->start();
    const auto begun = std::chrono::steady_clock::now();
    f.run_until([&] { return f.asks.size() == 5; });
    CHECK(std::chrono::steady_clock::now() - begun >= 200ms);
    CHECK(f.reflector->synced());
  }

  TEST_CASE("reflector: a watch without a word, bookmarks neither, is left, and the latest is listed") {
    Api f(
        {kNoStreams, list("99", ""), std::string(kChunked), list("7", "a"), concat(kChunked, event("ADDED", "b", "8"))},
        [](ReflectorOptions& o) { o.longest_silence = 50ms; });
    f.reflector->start();
    f.run_until([&] { return !f.told.empty() && f.told.back() == "changed b"; });
    CHECK_FALSE(f.asked(3, "resourceVersion"));
    CHECK(f.asked(4, "resourceVersion=7&"));
  }

  TEST_CASE("reflector: goes on with a former run's version without a list, and lists when that is forgotten") {
    Api f({recorded("096-410-events-watch-compacted.http"), kNoStreams, list("9", "a"), std::string(kChunked)},
          [](ReflectorOptions& o) {
            o.version = "368";
            o.bookmarks = false;
          });
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 4; });
    CHECK(f.asked(0, "resourceVersion=368&timeoutSeconds="));
    CHECK_FALSE(f.asked(0, "allowWatchBookmarks"));
    CHECK(f.told == Told{"begin", "begin", "add a", "end"});
    CHECK(f.asked(3, "resourceVersion=9&"));
  }

  TEST_CASE("reflector: another error in a watch is tried again from the same version") {
    const std::string error =
        chunk("{\"type\":\"ERROR\",\"object\":{\"code\":500,\"reason\":\"InternalError\",\"message\":\"m\"}}\n");
    Api f({kNoStreams, list("5", ""), concat(kChunked, error, kEnd), std::string(kChunked)});
    f.reflector->start();
    f.run_until([&] { return f.asks.size() == 4; });
    CHECK(f.asked(3, "resourceVersion=5&"));
    f.run_until([&] { return f.reflector->trouble().empty(); });
  }

  TEST_CASE("reflector: nothing is told while it is paused, nor after it has stopped") {
    Api f({kNoStreams, list("5", ""), concat(kChunked, event("ADDED", "a", "6")), std::string(kChunked)});
    f.reflector->start();
    f.run_until([&] { return f.reflector->synced(); });
    f.reflector->pause();
    f.run_until([&] { return f.asks.size() == 3; });
    for (int i = 0; i < 10; ++i) f.loop->turn(5ms);
    CHECK(f.told == Told{"begin", "begin", "end"});
    SUBCASE("resumed") {
      f.reflector->resume();
      f.run_until([&] { return f.told.back() == "changed a"; });
    }
    SUBCASE("stopped") {
      f.reflector->stop();
      f.reflector->resume();
      for (int i = 0; i < 10; ++i) f.loop->turn(5ms);
      CHECK(f.told.size() == 3);
    }
  }

  TEST_CASE("reflector: nobody there is trouble, told and counted, and passes") {
    Api f({concat(kChunked, event("ADDED", "a", "1"),
                  chunk(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"2",)"
                        R"("annotations":{"k8s.io/initial-events-end":"true"}},"spec":{"containers":null}}})"
                        "\n"))});
    auto nobody = *ApiClient::create(*f.loop, {.server = "http://127.0.0.1:1", .ca_file = {}, .token_file = {}});
    ReflectorOptions options;
    options.what = "others";
    options.first_backoff = options.longest_backoff = 10ms;
    {
      Reflector lonely(*f.loop, *nobody, options, f, f.metrics);
      lonely.start();
      f.run_until([&] { return !lonely.trouble().empty(); });
      CHECK(lonely.trouble().find("failed to connect") != std::string::npos);
      CHECK_FALSE(lonely.synced());
    }
    nobody.reset();
    f.told.clear();
    f.reflector->start();
    f.run_until([&] { return f.reflector->synced(); });
    CHECK(f.told == Told{"begin", "add a", "end"});
    CHECK(f.metrics.render().find("skidway_agent_kubernetes_failures_total{resource=\"others\"}") != std::string::npos);
  }
}
