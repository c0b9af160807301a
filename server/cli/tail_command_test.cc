#include "server/cli/tail_command.h"

#include <doctest/doctest.h>
#include <functional>

#include "pipeline/http/web_socket.h"
#include "server/cli/testing/fake_loki.h"

using namespace server;
using pipeline::WebSocket;

namespace {

// A server whose nth tail does what the test says.
class FakeTails {
 public:
  using Act = std::function<void(WebSocket&)>;
  explicit FakeTails(std::vector<Act> acts) : acts_(std::move(acts)) {}

  std::string url() const { return server_.url(""); }
  std::vector<std::string> targets() {
    std::lock_guard lock(mutex_);
    return targets_;
  }

 private:
  class Owner : public pipeline::WebSocketOwner {
   public:
    explicit Owner(Act act) : act_(std::move(act)) {}
    void on_open(WebSocket& socket) override { act_(socket); }
    void on_closed(uint16_t, std::string_view) override {}

   private:
    const Act act_;
  };

  std::mutex mutex_;
  std::vector<std::string> targets_;
  const std::vector<Act> acts_;
  TestServer server_{[this](HttpRequest request, HttpResponder responder) {
    size_t number = 0;
    {
      std::lock_guard lock(mutex_);
      number = targets_.size();
      targets_.push_back(request.target);
    }
    if (number >= acts_.size() || !acts_[number]) return responder.send(HttpResponse::text(503, "later"));
    responder.send(pipeline::web_socket_answer(request, {}, std::make_shared<Owner>(acts_[number])));
  }};
};

std::string frame(int64_t time, std::string_view line) {
  return concat(R"({"streams":[{"stream":{"app":"a"},"values":[[")", time, "\",\"", line, "\"]]}]}");
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("tail command: shows what comes, until the server says goodbye") {
  FakeTails server({[](WebSocket& socket) {
    socket.send(frame(1'700'000'000'000'000'000, "one"));
    socket.send(R"({"streams":[],"dropped_entries":[{"timestamp":"1","labels":{}},{"timestamp":"2","labels":{}}]})");
    socket.send(frame(1'700'000'001'000'000'000, "two"));
    socket.close(1000, "");
  }});
  const Outcome o = run({"tail", "--addr", server.url(), "--limit", "7", "--delay-for", "2", "{app=\"a\"}"});
  CHECK(o.code == 0);
  CHECK(o.out == "2023-11-14T22:13:20Z {app=\"a\"} one\n2023-11-14T22:13:21Z {app=\"a\"} two\n");
  CHECK(o.err == "tail: 2 entries were dropped, as they come faster than they are read here\n");
  CHECK(server.targets() ==
        std::vector<std::string>{
            "/loki/api/v1/tail?query=%7Bapp%3D%22a%22%7D&limit=7&start=1699996400000000000&delay_for=2"});
}

TEST_CASE("tail command: query --tail and -f are the same") {
  FakeTails server(
      {[](WebSocket& socket) { socket.close(1000, ""); }, [](WebSocket& socket) { socket.close(1000, ""); }});
  CHECK(run({"query", "--tail", "--addr", server.url(), "{}"}).code == 0);
  CHECK(run({"query", "-f", "--addr", server.url(), "{}"}).code == 0);
  CHECK(server.targets().size() == 2);
}

TEST_CASE("tail command: a lost connection is taken up again, and no entry is shown twice") {
  FakeTails server({[](WebSocket& socket) {
                      socket.send(frame(100, "one"));
                      socket.send(frame(200, "two"));
                      socket.close(1011, "reached tail max duration limit");
                    },
                    nullptr,  // 503
                    [](WebSocket& socket) { socket.cut(); },
                    [](WebSocket& socket) {
                      socket.send(frame(200, "two"));
                      socket.send(frame(200, "two b"));
                      socket.send(frame(300, "three"));
                      socket.close(1000, "");
                    }});
  const Outcome o = run({"tail", "-o", "raw", "--min-backoff", "1ms", "--addr", server.url(), "{}"});
  CHECK(o.code == 0);
  CHECK(o.out == "one\ntwo\ntwo b\nthree\n");
  CHECK(o.err.find("trying again in 1 ms") != std::string::npos);
  const auto targets = server.targets();
  REQUIRE(targets.size() == 4);
  CHECK(targets[3].ends_with("&limit=5000&start=200"));
}

TEST_CASE("tail command: what the server refuses is said, before and after the upgrade") {
  FakeTails refusing(
      {[](WebSocket& socket) { socket.close(1011, "max concurrent tail requests limit exceeded"); }, nullptr});
  const Outcome late = run({"tail", "--addr", refusing.url(), "{}"});
  CHECK(late.code == 1);
  CHECK(late.err == "skidway: the server ended the tail: max concurrent tail requests limit exceeded (code 1011)\n");
  const Outcome early = run({"tail", "--addr", refusing.url(), "{}"});
  CHECK(early.code == 1);
  CHECK(early.err.find("the server is too busy: later") != std::string::npos);
  const Outcome nobody = run({"tail", "--addr", "http://127.0.0.1:1", "{}"});
  CHECK(nobody.code == 1);
  CHECK(nobody.err.find("is the server running there?") != std::string::npos);
}

TEST_SUITE_END();
