#include "pipeline/loop/tcp.h"

#include <doctest/doctest.h>
#include <thread>

#include "pipeline/loop/test_client.h"

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

// One loop, one listener, and the first stream it accepted.
struct Fixture {
  std::unique_ptr<Loop> loop = *Loop::create();
  std::unique_ptr<TcpStream> stream;
  std::unique_ptr<TcpListener> listener =
      *TcpListener::listen(*loop, "127.0.0.1:0", [this](std::unique_ptr<TcpStream> s) { stream = std::move(s); });

  template <class Condition>
  void turn_until(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) loop->turn(10ms);
    REQUIRE(condition());
  }
  ~Fixture() {
    stream.reset();
    listener.reset();
    CHECK(loop->close().has_value());
  }
};

}  // namespace

TEST_SUITE_BEGIN("loop");

TEST_CASE("tcp: what waits in the system is handed on by drain, paused or not") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  std::string got;
  f.stream->start_reading([&](std::string_view bytes) { got += bytes; }, [](Result<void>) {});
  f.stream->pause_reading();
  client.send("hello");
  for (int i = 0; i < 1000 && got.empty(); ++i) {  // the bytes travel by themselves
    f.loop->turn(1ms);
    f.stream->drain(1 << 20);
  }
  CHECK(got == "hello");
  f.stream->drain(1 << 20);
  CHECK(got == "hello");
  f.stream->close();
  f.stream->drain(1 << 20);
}

TEST_CASE("tcp: reads what the peer sends and hears its end") {
  Fixture f;
  TestClient client(f.listener->port());
  REQUIRE(client.connected());
  f.turn_until([&] { return f.stream != nullptr; });
  CHECK(f.stream->peer().starts_with("127.0.0.1:"));
  std::string got;
  bool ended = false;
  f.stream->start_reading([&](std::string_view bytes) { got += bytes; },
                          [&](Result<void> r) { ended = r.has_value(); });
  client.send("hello");
  f.turn_until([&] { return got == "hello"; });
  CHECK_FALSE(ended);
  client.finish_sending();
  f.turn_until([&] { return ended; });

  bool written = false;  // half-closed: the other direction still works
  f.stream->write({"good", "bye"}, [&](Result<void> r) { written = r.has_value(); });
  CHECK_FALSE(written);
  f.turn_until([&] { return written; });
  f.stream->finish();
  f.loop->turn(0ms);
  CHECK(client.read_to_end() == "goodbye");
}

TEST_CASE("tcp: tells a reset from an end") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  Errc code{};
  f.stream->start_reading([](std::string_view) {}, [&](Result<void> r) { code = r ? Errc{} : r.error().code; });
  client.reset();
  f.turn_until([&] { return code == Errc::kUnavailable; });
}

TEST_CASE("tcp: while paused nothing is read, and nothing is lost") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  std::string got;
  f.stream->start_reading(
      [&](std::string_view bytes) {
        got += bytes;
        f.stream->pause_reading();
      },
      [](Result<void>) {});
  client.send("one");
  f.turn_until([&] { return got == "one"; });
  client.send("two");
  f.loop->turn(5ms);
  CHECK(got == "one");
  f.stream->resume_reading();
  f.turn_until([&] { return got == "onetwo"; });
}

TEST_CASE("tcp: a slow reader leaves bytes unsent, and close tells their writer kCancelled") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  Errc code{};
  constexpr size_t kMuch = 64 << 20;
  f.stream->write({std::string(kMuch, 'x')}, [&](Result<void> r) { code = r ? Errc{} : r.error().code; });
  f.loop->turn(0ms);
  CHECK(f.stream->unsent_bytes() > 0);
  CHECK(f.stream->unsent_bytes() < kMuch);
  f.stream->close();
  f.stream->close();
  CHECK(f.stream->unsent_bytes() == 0);
  f.turn_until([&] { return code == Errc::kCancelled; });
}

TEST_CASE("tcp: a large write arrives whole") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  bool written = false;
  std::string head = "head", body(8 << 20, 'b');
  f.stream->write({head, body}, [&](Result<void> r) {
    written = r.has_value();
    f.stream->close();
  });
  std::string got;
  std::thread reader([&] { got = client.read_to_end(); });
  f.turn_until([&] { return written; });
  f.loop->turn(0ms);
  reader.join();
  CHECK(got == head + body);
}

TEST_CASE("tcp: says why it cannot listen") {
  auto loop = *Loop::create();
  auto message = [&](std::string_view address) {
    auto listener = TcpListener::listen(*loop, address, [](std::unique_ptr<TcpStream>) {});
    return listener ? std::string("listens") : listener.error().message;
  };
  CHECK(message("3100") == "listen 3100: no port; write HOST:PORT, for example 127.0.0.1:3100");
  CHECK(message("127.0.0.1:http") == "listen 127.0.0.1:http: \"http\" is not a port number");
  CHECK(message("127.0.0.1:70000") == "listen 127.0.0.1:70000: \"70000\" is not a port number");
  CHECK(message("example:80") == "listen example:80: \"example\" is not an IP address");
  CHECK(message("localhost:0") == "listens");
  CHECK(message(":0") == "listens");
  {
    auto first = TcpListener::listen(*loop, "127.0.0.1:0", [](std::unique_ptr<TcpStream>) {});
    REQUIRE(first.has_value());
    CHECK(message((*first)->address()) == concat("listen ", (*first)->address(), ": address already in use"));
    (*first)->close();
    CHECK((*first)->port() == 0);
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("tcp: a stream may be destroyed by its own callbacks") {
  Fixture f;
  TestClient client(f.listener->port());
  f.turn_until([&] { return f.stream != nullptr; });
  f.stream->start_reading([&](std::string_view) { f.stream.reset(); }, [](Result<void>) {});
  client.send("x");
  f.turn_until([&] { return f.stream == nullptr; });
  CHECK(client.read_to_end() == "");
}

TEST_SUITE_END();
