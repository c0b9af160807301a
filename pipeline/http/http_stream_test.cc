// Answers that are taken piece by piece, and connections through unix sockets.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "pipeline/http/http_client.h"
#include "pipeline/loop/tcp.h"
#include "pipeline/loop/timer.h"

using namespace pipeline;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

constexpr std::string_view kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Kind: watch\r\n\r\n";

// A server that sends what the test says, and a client, on one loop.
struct StreamFixture {
  std::unique_ptr<Loop> loop = *Loop::create();
  std::unique_ptr<TcpStream> peer;
  std::function<void()> on_request = [] {};
  std::unique_ptr<TcpListener> listener =
      *TcpListener::listen(*loop, "127.0.0.1:0", [this](std::unique_ptr<TcpStream> stream) {
        peer = std::move(stream);
        peer->start_reading([this](std::string_view) { on_request(); }, [](Result<void>) {});
      });
  std::unique_ptr<HttpClient> client = *HttpClient::create(*loop, {});
  std::string body;
  int status = 0;
  int ends = 0;
  Result<HttpClientResponse> end = fail(Errc::kCancelled, "not ended");
  std::function<void()> on_piece = [] {};

  ~StreamFixture() {
    client.reset();
    peer.reset();
    listener.reset();
    CHECK(loop->close().has_value());
  }
  void say(std::string bytes) {
    peer->write({std::move(bytes)}, [](Result<void>) {});
  }
  HttpClientRequest request() const { return {.url = concat("http://127.0.0.1:", listener->port(), "/watch")}; }
  HttpStream stream() {
    HttpStream out;
    out.on_head = [this](const HttpClientResponse& head) {
      status = head.status;
      CHECK(head.body.empty());
    };
    out.on_body = [this](std::string_view piece) {
      CHECK_FALSE(piece.empty());
      CHECK(status != 0);
      CHECK(ends == 0);
      body += piece;
      on_piece();
    };
    out.done = [this](Result<HttpClientResponse> r) {
      ++ends;
      end = std::move(r);
      loop->stop();
    };
    return out;
  }
};

}  // namespace

TEST_SUITE_BEGIN("http");

TEST_CASE("stream: brings head and pieces as they come, and how it ended") {
  StreamFixture f;
  f.on_request = [&] { f.say(concat(kChunkedHead, "5\r\nfirst\r\n")); };
  f.on_piece = [&] {
    if (f.body == "first") f.say("6\r\nsecond\r\n0\r\n\r\n");
  };
  f.client->stream(f.request(), f.stream());
  f.loop->run();
  CHECK(f.status == 200);
  CHECK(f.body == "firstsecond");
  REQUIRE(f.end.has_value());
  CHECK(f.end->status == 200);
  CHECK(f.end->headers.get("X-Kind") == "watch");
  CHECK(f.end->body.empty());
  CHECK(f.ends == 1);
}

TEST_CASE("stream: a status that complains has a head and pieces too") {
  StreamFixture f;
  f.on_request = [&] { f.say("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"); };
  f.client->stream(f.request(), f.stream());
  f.loop->run();
  CHECK(f.status == 429);
  CHECK(f.body == "busy");
  CHECK(f.end.has_value());
}

TEST_CASE("stream: a connection that is cut ends it as unavailable after the pieces that came") {
  StreamFixture f;
  f.on_request = [&] {
    f.peer->write({concat(kChunkedHead, "5\r\nfirst\r\n3\r\nha")}, [&](Result<void>) { f.peer->close(); });
  };
  f.client->stream(f.request(), f.stream());
  f.loop->run();
  CHECK(f.body.starts_with("first"));
  REQUIRE_FALSE(f.end.has_value());
  CHECK(f.end.error().code == Errc::kUnavailable);
}

TEST_CASE("stream: takes nothing while it is paused and loses nothing") {
  StreamFixture f;
  std::string large(24 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>('a' + i % 26);
  f.on_request = [&] { f.say(concat("HTTP/1.1 200 OK\r\nContent-Length: ", large.size(), "\r\n\r\n", large)); };
  HttpClient::RequestId id = 0;
  int pieces = 0;
  f.on_piece = [&] {
    if (++pieces == 1) f.client->pause(id);
  };
  id = f.client->stream(f.request(), f.stream());
  while (pieces == 0) f.loop->turn(100ms);
  for (int i = 0; i < 20; ++i) f.loop->turn(10ms);
  CHECK(pieces == 1);
  CHECK(f.peer->unsent_bytes() > (8u << 20));
  f.client->resume(id);
  f.loop->run();
  CHECK(f.end.has_value());
  CHECK(f.body == large);
}

TEST_CASE("stream: ends when the peer says nothing for too long, before the head or after it") {
  StreamFixture f;
  bool head = false;
  SUBCASE("before") {}
  SUBCASE("after") {
    head = true;
    f.on_request = [&] { f.say(std::string(kChunkedHead)); };
  }
  HttpStream stream = f.stream();
  stream.idle_timeout = 30ms;
  HttpClientRequest request = f.request();
  request.timeout = head ? 30'000ms : 30ms;
  f.client->stream(std::move(request), std::move(stream));
  f.loop->run();
  REQUIRE_FALSE(f.end.has_value());
  CHECK(f.end.error().code == Errc::kUnavailable);
  CHECK(f.end.error().message.ends_with(head ? "/watch: silent for 30 ms" : "/watch: no answer for 30 ms"));
}

TEST_CASE("stream: outlasts its time-out once the head is there") {
  StreamFixture f;
  f.on_request = [&] { f.say(std::string(kChunkedHead)); };
  HttpClientRequest request = f.request();
  request.timeout = 150ms;
  f.client->stream(std::move(request), f.stream());
  Timer later(*f.loop, [&] { f.say("2\r\nok\r\n0\r\n\r\n"); });
  later.start(400ms);
  f.loop->run();
  CHECK(f.end.has_value());
  CHECK(f.body == "ok");
}

TEST_CASE("stream: may be cancelled, or the client destroyed, by one of its pieces") {
  StreamFixture f;
  f.on_request = [&] { f.say(concat(kChunkedHead, "5\r\nfirst\r\n")); };
  HttpClient::RequestId id = 0;
  SUBCASE("cancelled") {
    f.on_piece = [&] {
      f.client->cancel(id);
      CHECK(f.ends == 1);
    };
  }
  SUBCASE("destroyed") {
    f.on_piece = [&] { f.client.reset(); };
  }
  id = f.client->stream(f.request(), f.stream());
  f.loop->run();
  CHECK(f.ends == 1);
  REQUIRE_FALSE(f.end.has_value());
  CHECK(f.end.error().code == Errc::kCancelled);
}

TEST_CASE("stream: a wrong URL and nobody there are told once, on the loop") {
  StreamFixture f;
  HttpClientRequest request = f.request();
  Errc wanted = Errc::kInvalid;
  SUBCASE("wrong") { request.url = "ftp://x"; }
  SUBCASE("nobody") {
    f.listener->close();
    wanted = Errc::kUnavailable;
  }
  f.client->stream(std::move(request), f.stream());
  CHECK(f.ends == 0);
  f.loop->run();
  REQUIRE_FALSE(f.end.has_value());
  CHECK(f.end.error().code == wanted);
  CHECK(f.ends == 1);
}

TEST_CASE("client: unpacks a compressed answer when it asked for one") {
  StreamFixture f;
  const std::string packed =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00\x80\x88\xf9\xe5\x11\x00\x00\x00"s;
  f.on_request = [&] {
    f.say(concat("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 28\r\n\r\n", packed));
  };
  HttpClientRequest request = f.request();
  request.compressed = true;
  f.client->stream(std::move(request), f.stream());
  f.loop->run();
  CHECK(f.end.has_value());
  CHECK(f.body == "hello hello hello");
}

TEST_CASE("client: goes through a unix socket") {
  char folder[] = "/tmp/skidway-http-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string path = concat(folder, "/api.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listening, 1) == 0);
  std::thread server([&] {
    const int fd = accept(listening, nullptr, nullptr);
    char asked[4096];
    const ssize_t count = read(fd, asked, sizeof asked);
    const std::string_view text(asked, count > 0 ? static_cast<size_t>(count) : 0);
    const bool right = text.starts_with("GET /info HTTP/1.1\r\nHost: docker\r\n");
    const std::string answer = concat("HTTP/1.1 ", right ? 200 : 400, " X\r\nContent-Length: 2\r\n\r\nok");
    CHECK(write(fd, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
    close(fd);
  });
  auto answer = http_fetch({.url = "http://docker/info"}, {.unix_socket = path});
  server.join();
  close(listening);
  CHECK(answer.has_value());
  if (answer) CHECK(answer->status == 200);

  unlink(path.c_str());
  auto gone = http_fetch({.url = "http://docker/info"}, {.unix_socket = path});
  rmdir(folder);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().code == Errc::kUnavailable);
  CHECK(gone.error().message.find("unix") != std::string::npos);
}

TEST_SUITE_END();
