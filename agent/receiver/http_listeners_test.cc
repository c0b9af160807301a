#include "agent/receiver/http_listeners.h"

#include <doctest/doctest.h>
#include <optional>

#include "pipeline/http/http_client.h"

namespace agent {
namespace {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

struct Fixture {
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::Registry metrics;
  std::unique_ptr<HttpListeners> listeners = std::make_unique<HttpListeners>(*loop, metrics);
  std::unique_ptr<pipeline::HttpClient> client = *pipeline::HttpClient::create(*loop, {});
  ~Fixture() {
    client.reset();
    listeners.reset();
    CHECK(loop->close().has_value());
  }

  static pipeline::HttpHandler says(std::string text) {
    return [text](HttpRequest, HttpResponder responder) { responder.send(HttpResponse::text(200, text)); };
  }
  static HttpListeners::Route at(std::string path) { return {path, "r"}; }

  std::string ask(uint16_t port, std::string_view path, std::string method = "POST") {
    std::optional<std::string> answer;
    client->send({.method = std::move(method), .url = concat("http://127.0.0.1:", port, path)},
                 [&](pipeline::Result<pipeline::HttpClientResponse> r) {
                   answer = r ? concat(r->status, " ", r->body) : std::string("nobody");
                 });
    for (int i = 0; i < 500 && !answer; i++) loop->turn(10ms);
    return answer.value_or("nothing");
  }
};

}  // namespace

TEST_SUITE("agent/receiver") {
  TEST_CASE("listeners: two sources share an address, each with its paths") {
    Fixture f;
    HttpListeners::Options options{"127.0.0.1:0"};
    auto push = f.listeners->mount(options, {f.at("/push")}, f.says("push"));
    auto otlp = f.listeners->mount(options, {f.at("/otlp")}, f.says("otlp"));
    REQUIRE(push);
    REQUIRE(otlp);
    REQUIRE((*push)->port() == (*otlp)->port());
    uint16_t port = (*push)->port();
    CHECK(f.ask(port, "/push") == "200 push");
    CHECK(f.ask(port, "/otlp") == "200 otlp");
    CHECK(f.ask(port, "/ready", "GET") == "200 ready\n");
    CHECK(f.ask(port, "/ready") == "405 ");
    CHECK(f.ask(port, "/push", "GET") == "405 ");
    CHECK(f.ask(port, "/other") == "404 404 page not found\n");
    push->reset();
    CHECK(f.ask(port, "/push") == "404 404 page not found\n");
    CHECK(f.ask(port, "/otlp") == "200 otlp");
  }

  TEST_CASE("listeners: what cannot be shared is refused with a remedy") {
    Fixture f;
    auto first = f.listeners->mount({"127.0.0.1:0"}, {f.at("/push")}, f.says("1"));
    REQUIRE(first);
    auto same_path = f.listeners->mount({"127.0.0.1:0"}, {f.at("/more"), f.at("/push")}, f.says("2"));
    REQUIRE_FALSE(same_path);
    CHECK(same_path.error().message.find("another source receives at /push there; give this one a path_prefix") !=
          std::string::npos);
    CHECK(f.ask((*first)->port(), "/more") == "404 404 page not found\n");
    auto other_limit = f.listeners->mount({"127.0.0.1:0", {}, 1 << 20}, {f.at("/x")}, f.says("3"));
    REQUIRE_FALSE(other_limit);
    CHECK(other_limit.error().message.find("other tls or max_body_size") != std::string::npos);
    auto taken = f.listeners->mount({concat("127.0.0.1:", (*first)->port())}, {f.at("/x")}, f.says("4"));
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == pipeline::Errc::kUnavailable);
  }

  TEST_CASE("listeners: an address is free at once, and who waits there still gets an answer") {
    Fixture f;
    std::optional<HttpResponder> waiting;
    auto mount = f.listeners->mount({"127.0.0.1:0"}, {f.at("/push")}, [&](HttpRequest, HttpResponder responder) {
      waiting.emplace(std::move(responder));
    });
    REQUIRE(mount);
    std::string address = concat("127.0.0.1:", (*mount)->port());
    std::optional<int> status;
    f.client->send({.method = "POST", .url = concat("http://", address, "/push")},
                   [&](pipeline::Result<pipeline::HttpClientResponse> r) { status = r ? r->status : 0; });
    for (int i = 0; i < 500 && !waiting; i++) f.loop->turn(10ms);
    REQUIRE(waiting);
    mount->reset();
    auto next = f.listeners->mount({address}, {f.at("/push")}, f.says("next"));
    REQUIRE(next);
    CHECK(f.ask((*next)->port(), "/push") == "200 next");
    waiting->send(HttpResponse::empty(204));
    for (int i = 0; i < 500 && !status; i++) f.loop->turn(10ms);
    CHECK(status == 204);
  }
}

}  // namespace agent
