#include "pipeline/http/web_socket.h"

#include <condition_variable>
#include <doctest/doctest.h>
#include <functional>
#include <mutex>

#include "pipeline/http/test_server.h"
#include "pipeline/http/web_socket_client.h"
#include "pipeline/loop/test_client.h"

using namespace pipeline;
using namespace std::chrono_literals;
using Kind = WebSocketMessage::Kind;

namespace {

constexpr std::string_view kUpgrade =
    "GET /live HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// What happened on the server's side, for the test's thread to wait for.
class Seen : public WebSocketOwner {
 public:
  void on_open(WebSocket& socket) override {
    socket_ = &socket;
    if (opened) opened(socket);
  }
  void on_text(std::string_view text) override {
    if (spoken) spoken(*socket_, text);
  }
  void on_writable() override {
    note([this] { ++writable_; });
  }
  void on_closed(uint16_t code, std::string_view reason) override {
    note([&] { closed_ = concat(code, " ", reason); });
  }
  // On the server's loop; set before the first request.
  std::function<void(WebSocket&)> opened;
  std::function<void(WebSocket&, std::string_view)> spoken = [](WebSocket& s, std::string_view t) { s.send(t); };

  std::string closed() {
    return wait([this] { return !closed_.empty(); }) ? closed_ : "not closed";
  }
  bool writable_again() {
    return wait([this] { return writable_ > 0; });
  }

 private:
  void note(const std::function<void()>& what) {
    std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }
  bool wait(const std::function<bool()>& until) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, until);
  }
  WebSocket* socket_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string closed_;
  int writable_ = 0;
};

struct Fixture {
  explicit Fixture(WebSocketOptions options = {}) : options(options) {}
  WebSocketOptions options;
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  TestServer server{[this](HttpRequest request, HttpResponder responder) {
    responder.set_route("/live");
    responder.send(web_socket_answer(request, options, seen));
  }};

  std::unique_ptr<WebSocketClient> connect() {
    auto client = WebSocketClient::connect({.url = server.url("/live")}, {}, nullptr);
    REQUIRE(client.has_value());
    return *std::move(client);
  }
};

WebSocketMessage next(WebSocketClient& client) {
  auto message = client.receive(20s);
  REQUIRE(message.has_value());
  REQUIRE(message->has_value());
  return **message;
}

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("web socket: client and server talk, and the client says goodbye") {
  Fixture f;
  auto client = f.connect();
  client->send_text("hello");
  CHECK(next(*client).text == "hello");
  client->send_text(std::string(60'000, 'x'));
  CHECK(next(*client).text.size() == 60'000);
  client->close(1000, "done");
  CHECK(next(*client).code == 1000);
  CHECK(f.seen->closed() == "1000 done");
  const std::string metrics = f.server.registry().render();
  CHECK(metrics.find("http_requests_total{route=\"/live\",status=\"101\"} 1") != std::string::npos);
}

TEST_CASE("web socket: a client may speak before it has seen the answer") {
  Fixture f;
  TestClient client(f.server.port());
  client.send(concat(kUpgrade, std::string("\x81\x85\0\0\0\0early", 11)));
  const std::string head = client.read_through("\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  CHECK(head.find("Content-Length") == std::string::npos);
  CHECK(client.read_bytes(7) ==
        "\x81\x05"
        "early");
}

TEST_CASE("web socket: a request that is no upgrade is refused as gorilla does it, and the connection goes on") {
  Fixture f;
  const std::pair<std::string, std::string> cases[] = {
      {"GET /live HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"},
      {"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "400 Bad Request"},
      {"POST /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
       "405 Method Not Allowed"},
      {"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
       "12\r\n\r\n",
       "400 Bad Request"},
      {"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
       "13\r\nSec-WebSocket-Key: short\r\n\r\n",
       "400 Bad Request"}};
  TestClient client(f.server.port());
  for (const auto& [request, status] : cases) {
    CAPTURE(request);
    client.send(request);
    const std::string head = client.read_through("\r\n\r\n");
    CHECK(head.starts_with(concat("HTTP/1.1 ", status, "\r\n")));
    CHECK(head.find("Sec-Websocket-Version: 13\r\n") != std::string::npos);
    CHECK(client.read_bytes(status.size() - 3) == concat(status.substr(4), "\n"));
  }
  HttpClientResponse refusal;
  auto refused = WebSocketClient::connect({.url = f.server.url("/live"), .headers = {{"Upgrade", "no"}}}, {}, &refusal);
  CHECK(refused.has_value());  // two Upgrade headers, one of them right
}

TEST_CASE("web socket: a client reads why it was refused") {
  TestServer server(
      [](HttpRequest, HttpResponder responder) { responder.send(HttpResponse::text(400, "no tails\n")); });
  HttpClientResponse refusal;
  auto client = WebSocketClient::connect({.url = server.url("/live")}, {}, &refusal);
  REQUIRE_FALSE(client.has_value());
  CHECK(client.error().code == Errc::kInvalid);
  CHECK(refusal.status == 400);
  CHECK(refusal.body == "no tails\n");
}

TEST_CASE("web socket: nobody listens, and a URL that is none") {
  auto nobody = WebSocketClient::connect({.url = "ws://127.0.0.1:1/x"}, {}, nullptr);
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().code == Errc::kUnavailable);
  auto none = WebSocketClient::connect({.url = "ws://:::/"}, {}, nullptr);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == Errc::kInvalid);
}

TEST_CASE("web socket: pings come while nothing else does") {
  Fixture f({.ping_every = 5ms});
  TestClient client(f.server.port());
  client.send(kUpgrade);
  client.read_through("\r\n\r\n");
  CHECK(client.read_bytes(6) == std::string("\x89\0\x89\0\x89\0", 6));
  auto patient = f.connect();
  const auto since = std::chrono::steady_clock::now();
  auto waited = [&] { return std::chrono::steady_clock::now() - since; };
  while (patient->silent_for() + 100ms > waited() && waited() < 10s) {  // a ping breaks the silence, and is no message
    const auto nothing = patient->receive(50ms);
    REQUIRE(nothing.has_value());
    CHECK_FALSE(nothing->has_value());
  }
  CHECK(patient->silent_for() + 100ms <= waited());
}

TEST_CASE("web socket: the server says why it closes, and waits for the client's half") {
  Fixture f;
  f.seen->spoken = [](WebSocket& socket, std::string_view) {
    socket.send("last words");
    socket.close(1011, "too many");
    CHECK_FALSE(socket.send("after the close"));
    socket.close(1000, "twice");
  };
  auto client = f.connect();
  client->send_text("go");
  CHECK(next(*client).text == "last words");
  const WebSocketMessage end = next(*client);
  CHECK(end.kind == Kind::kClose);
  CHECK(end.code == 1011);
  CHECK(end.text == "too many");
  CHECK(f.seen->closed() == "1011 too many");
}

TEST_CASE("web socket: a client that does not answer the close is left after the time-out") {
  Fixture f({.close_timeout = 20ms});
  f.seen->opened = [](WebSocket& socket) { socket.close(1011, "end"); };
  TestClient client(f.server.port());
  client.send(kUpgrade);
  CHECK(f.seen->closed() == "1011 end");
  CHECK(client.read_to_end().ends_with("end"));
}

TEST_CASE("web socket: a client that vanishes is 1006") {
  Fixture f;
  { auto client = f.connect(); }
  CHECK(f.seen->closed() == "1006 ");
}

TEST_CASE("web socket: a client that breaks the protocol is told so") {
  Fixture f({.max_message_bytes = 100});
  auto client = f.connect();
  client->send_text(std::string(101, 'x'));
  const WebSocketMessage end = next(*client);
  CHECK(end.kind == Kind::kClose);
  CHECK(end.code == 1009);
  CHECK(f.seen->closed() == "1009 ");
}

TEST_CASE("web socket: send says no while a slow client has too much to read, and on_writable comes when it has read") {
  Fixture f({.max_unsent_bytes = 1 << 20});
  std::promise<int> sent;
  f.seen->spoken = [&](WebSocket& socket, std::string_view) {
    const std::string piece(100'000, 'x');
    int taken = 0;
    while (taken < 1000 && socket.send(piece)) ++taken;
    CHECK(socket.unsent_bytes() <= (1 << 20) + 200'000);
    CHECK_FALSE(socket.writable());
    sent.set_value(taken);
  };
  auto client = f.connect();
  client->send_text("go");
  const int taken = sent.get_future().get();
  CHECK(taken < 1000);
  for (int read = 0; read < taken; ++read) CHECK(next(*client).text.size() == 100'000);
  CHECK(f.seen->writable_again());
}

TEST_CASE("web socket: a client that reads nothing is cut after the write time-out") {
  Fixture f({.write_timeout = 50ms});
  f.seen->opened = [](WebSocket& socket) {
    const std::string piece(1 << 20, 'x');
    while (socket.send(piece)) {}
  };
  TestClient client(f.server.port());
  client.send(kUpgrade);
  CHECK(f.seen->closed() == "1006 ");
}

TEST_CASE("web socket: a client that pings without reading the pongs is cut") {
  Fixture f({.max_message_bytes = 1000, .max_unsent_bytes = 10'000});
  TestClient client(f.server.port());
  client.send(kUpgrade);
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += concat(std::string("\x89\xfd\0\0\0\0", 6), std::string(125, 'p'));
  while (client.send(pings)) {}
  CHECK(f.seen->closed() == "1006 ");
}

TEST_CASE("web socket: a stopping server says so, or cuts, as asked") {
  for (const bool cut : {false, true}) {
    CAPTURE(cut);
    Fixture f({.cut_on_stop = cut});
    auto client = f.connect();
    client->send_text("there");
    CHECK(next(*client).text == "there");
    std::promise<void> stopped;
    f.server.on_loop([&] { f.server.server().stop(10s, [&] { stopped.set_value(); }); });
    auto end = client->receive(20s);
    if (cut) {
      CHECK_FALSE(end.has_value());
    } else {
      REQUIRE((end.has_value() && end->has_value()));
      CHECK((*end)->code == 1001);
    }
    client.reset();
    stopped.get_future().wait();
    CHECK(f.seen->closed() == (cut ? "1006 " : "1001 the server is stopping"));
  }
}

TEST_CASE("web socket: one that begins while the server stops is told at once") {
  Fixture f;
  std::promise<void> stopped;
  std::promise<HttpResponder> asked;
  TestServer server([&](HttpRequest, HttpResponder responder) { asked.set_value(std::move(responder)); });
  TestClient client(server.port());
  client.send(kUpgrade);
  HttpResponder responder = asked.get_future().get();
  server.on_loop([&] { server.server().stop(10s, [&] { stopped.set_value(); }); });
  HttpRequest request{.method = "GET"};
  request.headers = {{"Connection", "Upgrade"},
                     {"Upgrade", "websocket"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  responder.send(web_socket_answer(request, {.close_timeout = 50ms}, f.seen));
  CHECK(f.seen->closed() == "1001 the server is stopping");
  client.close();
  stopped.get_future().wait();
}

TEST_CASE("web socket: an owner may cut when it is opened") {
  Fixture f;
  f.seen->opened = [](WebSocket& socket) { socket.cut(); };
  TestClient client(f.server.port());
  client.send(kUpgrade);
  client.read_to_end();
  CHECK(f.seen->closed() == "1006 ");
}

TEST_SUITE_END();
