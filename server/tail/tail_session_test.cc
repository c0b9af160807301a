// Tails over real sockets: a head and its feed below, WebSocket clients above.
#include "server/tail/tail_session.h"

#include <doctest/doctest.h>
#include <thread>

#include "pipeline/base/testing/forgetful_files.h"
#include "pipeline/http/test_server.h"
#include "pipeline/http/web_socket_client.h"
#include "server/tail/testing/pushes.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::WebSocketClient;
using Kind = pipeline::WebSocketMessage::Kind;

namespace {

class TailFixture {
 public:
  explicit TailFixture(TenantLimits limits = {}, uint64_t max_pending_bytes = kTailPendingBytes)
      : limits_({std::move(limits), {}}) {
    server_.on_loop([&] {
      TenantResolver tenant = [](const HttpRequest& request, std::string& id) {
        id = request.headers.has("X-Scope-OrgID") ? request.headers.get("X-Scope-OrgID") : "t";
        return std::nullopt;
      };
      routes_.emplace(router_, TailDoors{server_.loop(), feed, engine_, scheduler_, clock_, registry_, tenant, limits_},
                      max_pending_bytes);
    });
  }
  ~TailFixture() {
    server_.on_loop([&] {
      server_.server().close();
      routes_.reset();
    });
    scheduler_.stop();
  }

  // Every entry of app="a" in one frame; times are nanoseconds from now().
  void push(const std::vector<std::pair<int64_t, std::string>>& entries, std::string tenant = "t") {
    std::vector<std::pair<int64_t, std::string>> absolute;
    for (const auto& [time, line] : entries) absolute.emplace_back(base + time, line);
    WalFrame frame;
    frame.tenant = tenant;
    frame.number = ++frame_;
    feed.make_visible(head, push_of(stream_of(tenant, {{"app", "a"}}), absolute), frame);
  }
  std::unique_ptr<WebSocketClient> tail(std::string parameters = "", pipeline::HttpHeaders headers = {},
                                        std::string path = "/loki/api/v1/tail") {
    auto client = WebSocketClient::connect(
        {.url = concat(server_.url(path), "?query=%7Bapp%3D%22a%22%7D", parameters), .headers = std::move(headers)}, {},
        nullptr);
    REQUIRE(client.has_value());
    return *std::move(client);
  }
  // How many are in the feed by now.
  void wait_for_tails(int count) {
    const std::string wanted = concat("skidway_server_tails ", count);
    for (int i = 0; i < 2000 && metrics().find(wanted) == std::string::npos; ++i) std::this_thread::sleep_for(5ms);
    REQUIRE(metrics().find(wanted) != std::string::npos);
  }
  std::string metrics() { return registry_.render(); }
  pipeline::TestServer& server() { return server_; }

  const int64_t base = pipeline::SystemClock().wall() - 1'000'000'000;
  Head head;
  CommitFeed feed;

 private:
  LimitTable limits_;
  pipeline::ForgetfulFiles files_;
  std::unique_ptr<ObjectStore> store_ = *open_local_store(files_, "/data");
  std::shared_ptr<CatalogSnapshot> objects_ = std::make_shared<CatalogSnapshot>();
  QueryEngine engine_{[this](std::string_view tenant) -> pipeline::Result<ReadView> {
                        return ReadView{head.snapshot(tenant), objects_};
                      },
                      *store_, limits_};
  QueryScheduler scheduler_{{}};
  pipeline::SystemClock clock_;
  pipeline::Registry registry_;
  uint64_t frame_ = 0;
  pipeline::HttpRouter router_;
  std::optional<TailRoutes> routes_;
  pipeline::TestServer server_{[this](HttpRequest request, HttpResponder responder) {
    router_.dispatch(std::move(request), std::move(responder));
  }};
};

// The lines of the next frames, until there are `count`; "..." where one does not come.
std::string lines(WebSocketClient& client, size_t count) {
  std::string out;
  for (size_t got = 0; got < count;) {
    auto message = client.receive(20s);
    if (!message || !*message) return out + "...";
    if ((*message)->kind == Kind::kClose) return concat(out, "closed ", (*message)->code, " ", (*message)->text);
    const std::string& text = (*message)->text;
    for (size_t at = 0; (at = text.find("\"values\":[[\"", at)) != text.npos; ++got) {
      at = text.find("\",\"", at) + 3;
      out += concat(text.substr(at, text.find('"', at) - at), " ");
    }
  }
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("server/tail");

TEST_CASE("tail: the history first, oldest first, then what is pushed") {
  TailFixture f;
  f.push({{1, "h1"}, {3, "h3"}});
  f.push({{2, "h2"}});
  auto client = f.tail("&limit=2");
  CHECK(lines(*client, 2) == "h2 h3 ");
  f.push({{4, "live"}, {5, "more"}});
  CHECK(lines(*client, 2) == "live more ");
  CHECK(f.metrics().find("skidway_server_tail_entries_sent_total 4") != std::string::npos);
  client->close(1000);
  f.wait_for_tails(0);
}

TEST_CASE("tail: the frame is Loki's, and the legacy one as well") {
  TailFixture f;
  f.push({{1, "h1"}});
  auto client = f.tail();
  auto legacy = f.tail("", {}, "/api/prom/tail");
  CHECK((**client->receive(20s)).text ==
        concat("{\"streams\":[{\"stream\":{\"app\":\"a\",\"trace\":\"1\"},\"values\":[[\"", f.base + 1,
               "\",\"h1\"]]}]}"));
  const std::string old = (**legacy->receive(20s)).text;
  CHECK(old.starts_with(R"({"streams":[{"labels":"{app=\"a\", trace=\"1\"}","entries":[{"ts":"20)"));
}

TEST_CASE("tail: who comes while pushes go on gets each entry exactly once, in the order of its stream") {
  TailFixture f({.max_entries_limit_per_query = 1'000'000});  // a busy machine: thousands come before all ten are done
  std::atomic<bool> stop = false;
  std::atomic<int> pushed = 0;
  std::thread pusher([&] {
    while (!stop) {
      f.push({{pushed, concat("n", pushed.load())}});
      ++pushed;
      std::this_thread::sleep_for(200us);
    }
  });
  for (int round = 0; round < 10; ++round) {
    while (pushed < 50 * (round + 1)) std::this_thread::sleep_for(1ms);
    auto client = f.tail(concat("&limit=1000000&start=", f.base));
    const std::string got = lines(*client, static_cast<size_t>(pushed) + 20);
    int next = 0;
    for (size_t at = 0; at < got.size(); ++next) {
      const size_t end = got.find(' ', at);
      if (got.substr(at, end - at) != concat("n", next)) {
        FAIL_CHECK(concat("n", next, " is ", got.substr(at, end - at)));
        break;
      }
      at = end + 1;
    }
    CHECK(next >= 50 * (round + 1));
  }
  stop = true;
  pusher.join();
}

TEST_CASE("tail: with delay_for entries wait, and come in the order of their times") {
  TailFixture f;
  auto client = f.tail("&delay_for=1");
  f.wait_for_tails(1);
  const auto started = std::chrono::steady_clock::now();
  f.push({{1'300'000'000, "second"}});  // from a second ago
  f.push({{1'200'000'000, "first"}});
  CHECK(lines(*client, 2) == "first second ");
  CHECK(std::chrono::steady_clock::now() - started > 900ms);
}

TEST_CASE("tail: an entry of the future waits for its time") {
  TailFixture f;
  auto client = f.tail();
  f.wait_for_tails(1);
  const int64_t later = pipeline::SystemClock().wall() - f.base + 400'000'000;
  f.push({{later, "later"}});
  f.push({{1, "now"}});
  CHECK(lines(*client, 1) == "now ");
  CHECK(lines(*client, 1) == "later ");
  CHECK(pipeline::SystemClock().wall() > f.base + later);
}

TEST_CASE("tail: tenants see their own entries") {
  TailFixture f;
  auto mine = f.tail("", {{"X-Scope-OrgID", "mine"}});
  auto other = f.tail("", {{"X-Scope-OrgID", "other"}});
  f.wait_for_tails(2);
  f.push({{1, "m"}}, "mine");
  f.push({{2, "o"}}, "other");
  CHECK(lines(*mine, 1) == "m ");
  CHECK(lines(*other, 1) == "o ");
}

TEST_CASE("tail: more than the limit of one tenant are closed with Loki's text") {
  TailFixture f({.max_concurrent_tail_requests = 2});
  auto one = f.tail(), two = f.tail();
  f.wait_for_tails(2);
  auto three = f.tail();
  CHECK(lines(*three, 1) == "closed 1011 max concurrent tail requests limit exceeded, count > limit (3 > 2)");
  auto stranger = f.tail("", {{"X-Scope-OrgID", "stranger"}});
  f.wait_for_tails(3);
  one->close(1000);
  f.wait_for_tails(2);
  auto again = f.tail();
  f.push({{1, "x"}});
  CHECK(lines(*again, 1) == "x ");
  CHECK(f.metrics().find("skidway_server_tails_refused_total 1") != std::string::npos);
}

TEST_CASE("tail: the longest time of a tail ends it with Loki's text") {
  TailFixture f({.tail_max_duration = 30ms});
  auto client = f.tail();
  CHECK(lines(*client, 1) == "closed 1011 reached tail max duration limit");
}

TEST_CASE("tail: a history that fails closes with its error") {
  TailFixture f;
  auto client = f.tail("&limit=5001");
  CHECK(lines(*client, 1) ==
        "closed 1011 max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)");
}

TEST_CASE("tail: what is wrong with the request is said before the upgrade") {
  TailFixture f;
  for (const auto& [target, text] : {std::pair{"/loki/api/v1/tail?query=x", "parse error at line 1, col 1"},
                                     {"/loki/api/v1/tail?query={app=\"a\"}|line_format\"{{\"", ""},
                                     {"/loki/api/v1/tail?query={app=\"a\"}", "Bad Request\n"}}) {
    pipeline::HttpClientResponse refusal;
    auto answer = pipeline::http_fetch({.url = f.server().url(target)});
    REQUIRE(answer.has_value());
    CHECK(answer->status == 400);
    CAPTURE(answer->body);
    CHECK(answer->body.starts_with(text));
  }
}

TEST_CASE("tail: a slow client misses entries, which are counted and named to it, and goes on") {
  TailFixture f({}, 1 << 20);
  auto client = f.tail("&limit=1");
  f.wait_for_tails(1);
  const std::string large(100'000, 'x');
  int64_t time = 0;
  const auto dropped = [&] { return f.metrics().find("reason=\"slow_client\"} 0") == std::string::npos; };
  while (!dropped() && time < 2000) {
    f.push({{++time, concat(time, large)}});
    std::this_thread::sleep_for(1ms);
  }
  REQUIRE(dropped());
  size_t entries = 0, missed = 0;
  while (missed == 0) {
    auto message = client->receive(20s);
    REQUIRE((message.has_value() && message->has_value()));
    const std::string& text = (*message)->text;
    for (size_t at = 0; (at = text.find("\"values\"", at)) != text.npos; ++at) ++entries;
    for (size_t at = 0; (at = text.find("{\"timestamp\"", at)) != text.npos; ++at) ++missed;
    if (missed == 0 && entries > 0) f.push({{++time, "ping"}});
  }
  CHECK(entries > 10);
}

TEST_CASE("tail: a pipeline that does not keep up drops, counts and names what it misses") {
  TailFixture f({}, 1000);
  auto client = f.tail();
  f.wait_for_tails(1);
  f.push({{0, "first"}});
  CHECK(lines(*client, 1) == "first ");  // the history is over
  f.push({{1, std::string(2000, 'x')}});
  f.push({{2, "small"}});
  auto message = client->receive(20s);
  REQUIRE((message.has_value() && message->has_value()));
  CHECK((*message)->text.find(concat("\"dropped_entries\":[{\"timestamp\":\"", f.base + 1,
                                     "\",\"labels\":{\"app\":\"a\"}}]")) != std::string::npos);
  CHECK(f.metrics().find("reason=\"behind\"} 1") != std::string::npos);
}

TEST_CASE("tail: a stopping server cuts, so that clients come again") {
  TailFixture f;
  auto client = f.tail();
  f.wait_for_tails(1);
  f.server().on_loop([&] { f.server().server().stop(10s, [] {}); });
  CHECK(lines(*client, 1) == "...");
  f.wait_for_tails(0);
}

TEST_SUITE_END();
