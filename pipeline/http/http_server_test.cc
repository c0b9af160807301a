#include "pipeline/http/http_server.h"

#include <condition_variable>
#include <deque>
#include <doctest/doctest.h>
#include <optional>

#include "pipeline/http/test_server.h"
#include "pipeline/loop/test_client.h"
#include "pipeline/loop/worker_pool.h"

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

// Answers "METHOD target body".
void echo(HttpRequest request, HttpResponder responder) {
  responder.send(HttpResponse::text(200, concat(request.method, " ", request.target, " ", request.body)));
}

// Keeps what it is asked until the test answers.
class Holder {
 public:
  HttpHandler handler() {
    return [this](HttpRequest, HttpResponder responder) {
      std::lock_guard lock(mutex_);
      held_.push_back(std::move(responder));
      changed_.notify_all();
    };
  }
  HttpResponder take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_.empty(); });
    HttpResponder out = std::move(held_.front());
    held_.erase(held_.begin());
    return out;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<HttpResponder> held_;
};

struct Answer {
  std::string head, body;
  bool starts_with(std::string_view text) const { return head.starts_with(text); }
};

Answer read_answer(TestClient& client) {
  Answer out{client.read_through("\r\n\r\n"), ""};
  const size_t at = out.head.find("Content-Length: ");
  if (at != out.head.npos) out.body = client.read_bytes(std::stoul(out.head.substr(at + 16)));
  return out;
}

void wait_until(TestServer& server, UniqueFunction<bool()> condition) {
  for (bool done = false; !done;) server.on_loop([&] { done = condition(); });
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("server: answers one request after the other on one connection") {
  TestServer server(echo);
  TestClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(concat("POST /p", i, " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"));
    const Answer answer = read_answer(client);
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "));
    CHECK(answer.head.find("Connection: close") == std::string::npos);
    CHECK(answer.body == concat("POST /p", i, " hi"));
  }
}

TEST_CASE("server: answers pipelined requests in their order, though answers come from another thread") {
  Loop* loop = nullptr;
  std::optional<WorkerPool> pool;
  TestServer server([&](HttpRequest request, HttpResponder responder) {
    pool->run([request = std::move(request),
               responder = std::move(responder)]() mutable { responder.send(HttpResponse::text(200, request.target)); },
              [](Result<void>) {});
  });
  server.on_loop([&] {
    loop = &server.loop();
    pool.emplace(*loop, "answers", 2);
  });
  {
    TestClient client(server.port());
    std::string all;
    constexpr int kRequests = 200;
    for (int i = 0; i < kRequests; ++i) all += concat("GET /", i, " HTTP/1.1\r\n\r\n");
    client.send(all);
    for (int i = 0; i < kRequests; ++i) REQUIRE(read_answer(client).body == concat("/", i));
  }
  server.on_loop([&] { pool.reset(); });
}

TEST_CASE("server: a crowd of pipelined requests waits in the socket, not in memory") {
  TestServer server(echo);
  TestClient client(server.port());
  const std::string one = concat("POST /x HTTP/1.1\r\nContent-Length: 30000\r\n\r\n", std::string(30000, 'b'));
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) client.send(one);
  });
  for (int i = 0; i < 100; ++i) REQUIRE(read_answer(client).body.size() == 8 + 30000);
  writer.join();
}

TEST_CASE("server: says 100 Continue before a body that waits for it") {
  TestServer server(echo);
  TestClient client(server.port());
  client.send("POST /e HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.read_through("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  CHECK(read_answer(client).body == "POST /e abc");
}

TEST_CASE("server: HEAD has the length and no body; 204 has neither") {
  TestServer server([](HttpRequest request, HttpResponder responder) {
    responder.send(request.path == "/empty" ? HttpResponse::empty(204) : HttpResponse::text(200, "12345"));
  });
  TestClient client(server.port());
  client.send("HEAD /x HTTP/1.1\r\n\r\nGET /empty HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string all = client.read_to_end();
  const size_t second = all.find("HTTP/1.1 204 No Content");
  REQUIRE(second != all.npos);
  const std::string first = all.substr(0, second);
  CHECK(first.find("Content-Length: 5\r\n") != first.npos);
  CHECK(first.ends_with("\r\n\r\n"));
  const size_t third = all.find("HTTP/1.1 200", second);
  CHECK(all.substr(second, third - second).find("Content-Length") == std::string::npos);
  CHECK(all.ends_with("Connection: close\r\n\r\n12345"));
}

TEST_CASE("server: a refused client can read why, though it was still sending") {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  TestServer server(echo, options);
  TestClient client(server.port());
  client.send("POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n");
  std::thread writer([&] { client.send(std::string(5'000'000, 'x')); });
  const Answer answer = read_answer(client);
  CHECK(answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"));
  CHECK(answer.body == "request body too large: message size too large than max (5000000 vs 1000)\n");
  CHECK(answer.head.find("Connection: close\r\n") != std::string::npos);
  writer.join();
  CHECK(client.read_to_end() == "");
}

TEST_CASE("server: refuses garbage with 400 and large headers with 431, and counts them") {
  TestServer server(echo);
  TestClient garbage(server.port()), large(server.port());
  garbage.send("hello there\r\n\r\n");
  CHECK(garbage.read_to_end().starts_with("HTTP/1.1 400 Bad Request\r\n"));
  large.send(concat("GET / HTTP/1.1\r\nA: ", std::string(70'000, 'a')));
  CHECK(read_answer(large).starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
  const std::string metrics = server.registry().render();
  CHECK(metrics.find("skidway_server_http_requests_total{route=\"malformed\",status=\"400\"} 1\n") != metrics.npos);
  CHECK(metrics.find("skidway_server_http_requests_total{route=\"malformed\",status=\"431\"} 1\n") != metrics.npos);
}

TEST_CASE("server: ends slow and idle clients") {
  HttpServerOptions options;
  options.header_timeout = options.body_timeout = options.idle_timeout = 500ms;  // a busy machine is slow too
  TestServer server(echo, options);
  TestClient in_head(server.port()), in_body(server.port()), idle(server.port()), after_one(server.port());
  in_head.send("GET / HT");
  in_body.send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
  after_one.send("GET /1 HTTP/1.1\r\n\r\n");
  CHECK(read_answer(after_one).body == "GET /1 ");
  CHECK(in_head.read_to_end().starts_with("HTTP/1.1 408 "));
  CHECK(in_body.read_to_end().starts_with("HTTP/1.1 408 "));
  CHECK(idle.read_to_end() == "");
  CHECK(after_one.read_to_end() == "");
}

TEST_CASE("server: cuts a client that does not read its answer") {
  HttpServerOptions options;
  options.write_timeout = 20ms;
  TestServer server([](HttpRequest, HttpResponder r) { r.send(HttpResponse::text(200, std::string(64 << 20, 'x'))); },
                    options);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  wait_until(server, [&, seen = false]() mutable {
    seen = seen || server.server().connections() == 1;
    return seen && server.server().connections() == 0;
  });
}

TEST_CASE("server: answers a client that closed its sending half, and knows that it did") {
  Holder holder;
  TestServer server(holder.handler());
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  HttpResponder responder = holder.take();
  CHECK_FALSE(responder.disconnected());
  auto flag = responder.disconnected_flag();
  client.finish_sending();
  wait_until(server, [&] { return flag->load(); });
  responder.send(HttpResponse::text(200, "still"));
  CHECK(client.read_to_end().ends_with("still"));
}

TEST_CASE("server: refuses with 503 what would be too much at once, and takes it when the rest is answered") {
  Holder holder;
  HttpServerOptions options;
  options.max_underway_bytes = 10;
  TestServer server(holder.handler(), options);
  const std::string request = "POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n12345678";
  TestClient first(server.port());
  first.send(request);
  HttpResponder responder = holder.take();
  TestClient second(server.port());
  second.send(request);
  CHECK(read_answer(second).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  responder.send(HttpResponse::empty(204));
  CHECK(read_answer(first).starts_with("HTTP/1.1 204 "));
  {
    TestClient leaves(server.port());
    leaves.send(request);
    HttpResponder unanswered = holder.take();
    leaves.reset();
    wait_until(server, [&] { return unanswered.disconnected(); });
    unanswered.send(HttpResponse::empty(204));
  }
  TestClient third(server.port());
  third.send(request);
  holder.take().send(HttpResponse::empty(204));
  CHECK(read_answer(third).starts_with("HTTP/1.1 204 "));
}

TEST_CASE("server: drops the answer for a client that is gone") {
  Holder holder;
  TestServer server(holder.handler());
  auto client = std::make_unique<TestClient>(server.port());
  client->send("GET / HTTP/1.1\r\n\r\n");
  HttpResponder responder = holder.take();
  client->reset();
  wait_until(server, [&] { return server.server().connections() == 0; });
  CHECK(responder.disconnected());
  responder.send(HttpResponse::text(200, "to nobody"));
  server.on_loop([] {});
  const std::string metrics = server.registry().render();
  CHECK(metrics.find("skidway_server_http_requests_total{route=\"other\",status=\"499\"} 1\n") != metrics.npos);
  CHECK(metrics.find("skidway_server_http_requests_in_flight 0\n") != metrics.npos);
}

TEST_CASE("server: forgets a client that leaves in the middle of a request") {
  TestServer server(echo);
  {
    TestClient client(server.port());
    client.send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    wait_until(server, [&] { return server.server().connections() == 1; });
  }
  wait_until(server, [&] { return server.server().connections() == 0; });
}

TEST_CASE("server: a responder that is dropped answers 500") {
  TestServer server([](HttpRequest, HttpResponder) {});
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  CHECK(read_answer(client).starts_with("HTTP/1.1 500 "));
}

TEST_CASE("server: stop lets the running answer finish and refuses new connections") {
  Holder holder;
  TestServer server(holder.handler());
  TestClient busy(server.port()), idle(server.port());
  busy.send("GET / HTTP/1.1\r\n\r\n");
  HttpResponder responder = holder.take();
  wait_until(server, [&] { return server.server().connections() == 2; });
  std::promise<void> stopped;
  server.on_loop([&] { server.server().stop(60s, [&] { stopped.set_value(); }); });
  CHECK(idle.read_to_end() == "");
  CHECK_FALSE(TestClient(server.port()).connected());
  responder.send(HttpResponse::text(200, "last words"));
  const Answer answer = read_answer(busy);
  CHECK(answer.head.find("Connection: close\r\n") != std::string::npos);
  CHECK(answer.body == "last words");
  busy.close();
  stopped.get_future().wait();
}

TEST_CASE("server: stop cuts what is not answered at the deadline") {
  Holder holder;
  TestServer server(holder.handler());
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  HttpResponder responder = holder.take();
  std::promise<void> stopped;
  server.on_loop([&] { server.server().stop(5ms, [&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  CHECK(client.read_to_end() == "");
  CHECK(responder.disconnected());
  responder.send(HttpResponse::empty(200));
}

TEST_CASE("server: counts requests by route and status, and tells who asked to know") {
  HttpRouter router;
  router.route("GET", "/label/{name}/values", echo);
  std::vector<std::string> told;
  HttpServerOptions options;
  options.metrics_prefix = "skidway_agent";
  options.answered = [&](const HttpAnswered& a) { told.push_back(concat(a.method, " ", a.route, " ", a.status)); };
  TestServer server(router.handler(), options);
  TestClient client(server.port());
  client.send("GET /label/a/values HTTP/1.1\r\n\r\n");
  read_answer(client);
  client.send("GET /label/b/values HTTP/1.1\r\n\r\nGET /no HTTP/1.1\r\n\r\n");
  read_answer(client);
  CHECK(read_answer(client).body == "404 page not found\n");
  const std::string metrics = server.registry().render();
  CHECK(metrics.find("skidway_agent_http_requests_total{route=\"/label/{name}/values\",status=\"200\"} 2\n") !=
        metrics.npos);
  CHECK(metrics.find("skidway_agent_http_requests_total{route=\"other\",status=\"404\"} 1\n") != metrics.npos);
  CHECK(metrics.find("skidway_agent_http_connections 1\n") != metrics.npos);
  server.on_loop([&] {
    CHECK(told ==
          std::vector<std::string>{"GET /label/{name}/values 200", "GET /label/{name}/values 200", "GET other 404"});
  });
}

TEST_CASE("server: says why it cannot listen") {
  auto loop = *Loop::create();
  Registry registry;
  auto server = HttpServer::listen(*loop, registry, {.address = "nonsense"}, echo);
  REQUIRE_FALSE(server.has_value());
  CHECK(server.error().code == Errc::kInvalid);
}

TEST_SUITE_END();
