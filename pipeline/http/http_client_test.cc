#include "pipeline/http/http_client.h"

#include <doctest/doctest.h>

#include "pipeline/http/test_server.h"
#include "pipeline/loop/tcp.h"

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

void echo(HttpRequest request, HttpResponder responder) {
  std::string text = concat(request.method, " ", request.target, "\n");
  for (const auto& [name, value] : request.headers) text += concat(name, ": ", value, "\n");
  responder.send({201, {{"X-Answer", "yes"}}, text + "\n" + request.body});
}

// A client on a loop of this thread.
struct Fixture {
  std::unique_ptr<Loop> loop = *Loop::create();
  std::unique_ptr<HttpClient> client;

  explicit Fixture(HttpClientOptions options = {}) : client(*HttpClient::create(*loop, std::move(options))) {}
  ~Fixture() {
    client.reset();
    CHECK(loop->close().has_value());
  }
  Result<HttpClientResponse> ask(HttpClientRequest request) {
    Result<HttpClientResponse> out = fail(Errc::kCancelled, "unanswered");
    client->send(std::move(request), [&](Result<HttpClientResponse> r) {
      out = std::move(r);
      loop->stop();
    });
    loop->run();
    return out;
  }
};

std::shared_ptr<const std::string> bytes(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

// Listens and never answers.
struct SilentServer {
  std::unique_ptr<Loop> loop = *Loop::create();
  std::unique_ptr<TcpListener> listener = *TcpListener::listen(*loop, "127.0.0.1:0", [](std::unique_ptr<TcpStream>) {});
  uint16_t port = listener->port();
  ~SilentServer() {
    listener.reset();
    CHECK(loop->close().has_value());
  }
};

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("client: sends what it is told and nothing surprising, and brings back the answer whole") {
  TestServer server(echo);
  Fixture f({.headers = {{"X-Scope-OrgID", "a"}, {"X-Both", "option"}}});
  auto answer = f.ask({.method = "POST",
                       .url = server.url("/p?q=1"),
                       .headers = {{"Content-Type", "application/json"}, {"x-both", "request"}, {"X-Empty", ""}},
                       .body = bytes("the body")});
  REQUIRE(answer.has_value());
  CHECK(answer->status == 201);
  CHECK(answer->headers.get("x-answer") == "yes");
  CHECK(answer->body == concat("POST /p?q=1\nHost: 127.0.0.1:", server.port(),
                               "\nUser-Agent: skidway\nAccept: */*\nX-Scope-OrgID: a\nContent-Type: application/json\n"
                               "x-both: request\nX-Empty: \nContent-Length: 8\n\nthe body"));
}

TEST_CASE("client: shows its name and password when it has them") {
  TestServer server(echo);
  Fixture f({.username = "u", .password = "p:w"});
  CHECK(f.ask({.url = server.url("/")})->body.find("Authorization: Basic dTpwOnc=\n") != std::string::npos);
}

TEST_CASE("client: knows the other methods") {
  TestServer server(echo);
  Fixture f;
  CHECK(f.ask({.url = server.url("/g")})->body.starts_with("GET /g\n"));
  CHECK(f.ask({.method = "DELETE", .url = server.url("/d")})->body.starts_with("DELETE /d\n"));
  CHECK(f.ask({.method = "PUT", .url = server.url("/u"), .body = bytes("x")})->body.ends_with("\n\nx"));
  CHECK(f.ask({.method = "POST", .url = server.url("/e")})->body.find("Content-Length: 0\n") != std::string::npos);
  auto head = f.ask({.method = "HEAD", .url = server.url("/h")});
  REQUIRE(head.has_value());
  CHECK(head->status == 201);
  CHECK(head->body == "");
}

TEST_CASE("client: uses its connection again") {
  TestServer server(echo);
  Fixture f;
  for (int i = 0; i < 5; ++i) REQUIRE(f.ask({.url = server.url("/")}).has_value());
  server.on_loop([&] { CHECK(server.server().connections() == 1); });
}

TEST_CASE("client: sends again by itself when a kept connection turns out to be closed") {
  HttpServerOptions options;
  options.idle_timeout = 500ms;  // enough for a new connection to say something
  TestServer server(echo, options);
  Fixture f;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(f.ask({.method = "POST", .url = server.url("/"), .body = bytes(std::string(100'000, 'x'))}).has_value());
    for (size_t open = 1; open > 0;) server.on_loop([&] { open = server.server().connections(); });
  }
}

TEST_CASE("client: large bodies survive in both directions") {
  TestServer server([](HttpRequest request, HttpResponder r) { r.send({200, {}, std::move(request.body)}); });
  Fixture f;
  std::string large(20 << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 13);
  auto body = bytes(large);
  auto answer = f.ask({.method = "POST", .url = server.url("/"), .body = body});
  REQUIRE(answer.has_value());
  CHECK(answer->body == large);
  CHECK(body.use_count() == 1);
}

TEST_CASE("client: has several requests underway") {
  TestServer server(echo);
  Fixture f;
  int waiting = 20;
  for (int i = 0; i < 20; ++i) {
    f.client->send({.url = server.url(concat("/", i))}, [&, i](Result<HttpClientResponse> r) {
      REQUIRE(r.has_value());
      CHECK(r->body.starts_with(concat("GET /", i, "\n")));
      if (--waiting == 0) f.loop->stop();
    });
  }
  CHECK(f.client->running() == 20);
  f.loop->run();
  CHECK(f.client->running() == 0);
}

TEST_CASE("client: a status that complains is an answer") {
  TestServer server([](HttpRequest, HttpResponder r) { r.send(HttpResponse::text(503, "busy")); });
  Fixture f;
  auto answer = f.ask({.url = server.url("/")});
  REQUIRE(answer.has_value());
  CHECK(answer->status == 503);
  CHECK(answer->body == "busy");
}

TEST_CASE("client: nobody there is unavailable") {
  uint16_t port = 0;
  { port = SilentServer().port; }
  Fixture f;
  auto answer = f.ask({.url = concat("http://127.0.0.1:", port, "/x?secret=1")});
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::kUnavailable);
  CHECK(answer.error().message.starts_with(concat("GET http://127.0.0.1:", port, "/x: failed to connect")));
}

TEST_CASE("client: gives up after its time-out") {
  SilentServer server;
  Fixture f;
  auto answer = f.ask({.url = concat("http://127.0.0.1:", server.port, "/"), .timeout = 20ms});
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::kUnavailable);
  CHECK(answer.error().message.find("timed out") != std::string::npos);
}

TEST_CASE("client: a connection that ends in the middle of the answer is unavailable") {
  auto loop = *Loop::create();
  {
    std::unique_ptr<TcpStream> stream;
    auto listener = *TcpListener::listen(*loop, "127.0.0.1:0", [&](std::unique_ptr<TcpStream> s) {
      stream = std::move(s);
      stream->write({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"}, [&](Result<void>) { stream->close(); });
    });
    auto client = *HttpClient::create(*loop, {});
    Errc code{};
    client->send({.url = concat("http://127.0.0.1:", listener->port(), "/")}, [&](Result<HttpClientResponse> r) {
      code = r ? Errc{} : r.error().code;
      loop->stop();
    });
    loop->run();
    CHECK(code == Errc::kUnavailable);
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("client: refuses an answer that is too large") {
  TestServer server([](HttpRequest, HttpResponder r) { r.send(HttpResponse::text(200, std::string(1001, 'x'))); });
  Fixture f({.max_response_bytes = 1000});
  auto answer = f.ask({.url = server.url("/")});
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::kOverLimit);
}

TEST_CASE("client: wrong URLs are invalid, and said on the loop") {
  Fixture f;
  for (std::string url : {"http://", "ftp://host/file", "", "http://a b/"}) {
    CAPTURE(url);
    auto answer = f.ask({.url = url});
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == Errc::kInvalid);
  }
}

TEST_CASE("client: cancel and close tell every request exactly once") {
  SilentServer server;
  const std::string url = concat("http://127.0.0.1:", server.port, "/");
  Fixture f;
  int cancelled = 0;
  auto count = [&](Result<HttpClientResponse> r) {
    REQUIRE_FALSE(r.has_value());
    if (r.error().code == Errc::kCancelled) ++cancelled;
  };
  const auto first = f.client->send({.url = url}, count);
  f.client->send({.url = url}, count);
  f.client->send({.url = "nonsense://"}, count);
  f.loop->turn(1ms);
  f.client->cancel(first);
  f.client->cancel(first);
  CHECK(cancelled == 1);
  f.client->close();
  f.client->close();
  CHECK(cancelled == 2);
  CHECK(f.client->running() == 0);
  f.client->send({.url = url}, count);
  CHECK(cancelled == 2);
  f.loop->turn(1000ms);
  CHECK(cancelled == 3);
}

TEST_CASE("client: may be destroyed by one of its answers") {
  TestServer server(echo);
  Fixture f;
  int answered = 0;
  for (int i = 0; i < 3; ++i) {
    f.client->send({.url = server.url("/")}, [&](Result<HttpClientResponse>) {
      if (++answered == 1) f.client.reset();
      if (answered == 3) f.loop->stop();
    });
  }
  f.loop->run();
  CHECK(answered == 3);
}

TEST_CASE("fetch: answers from a loop of its own") {
  TestServer server(echo);
  auto answer = http_fetch({.url = server.url("/f")});
  REQUIRE(answer.has_value());
  CHECK(answer->body.starts_with("GET /f\n"));
}

TEST_SUITE_END();
