// TestServer: an HttpServer on a loop and thread of its own, for tests that talk to it from outside. For tests only.
//
//   TestServer server([](HttpRequest request, HttpResponder responder) { responder.send(HttpResponse::text(200, "hi"));
//   }); http_fetch({.url = server.url("/ready")});
#pragma once

#include <future>
#include <thread>

#include "pipeline/http/http_client.h"
#include "pipeline/http/http_router.h"
#include "pipeline/http/http_server.h"

namespace pipeline {

class TestServer {
 public:
  explicit TestServer(HttpHandler handler) : TestServer(std::move(handler), HttpServerOptions()) {}
  TestServer(HttpHandler handler, HttpServerOptions options) {
    std::promise<void> ready;
    thread_ = std::thread([&ready, this, handler = std::move(handler), options = std::move(options)]() mutable {
      loop_ = *Loop::create();
      server_ = *HttpServer::listen(*loop_, registry_, std::move(options), std::move(handler));
      port_ = server_->port();
      ready.set_value();
      loop_->run();
      server_.reset();
      INVARIANT(loop_->close().has_value());
    });
    ready.get_future().wait();
  }
  ~TestServer() {
    loop_->stop();
    thread_.join();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url(std::string_view path) const { return concat("http://127.0.0.1:", port_, path); }
  Registry& registry() { return registry_; }
  Loop& loop() { return *loop_; }
  HttpServer& server() { return *server_; }  // on the loop only

  // Runs `what` on the server's loop and waits for it.
  void on_loop(Task what) {
    std::promise<void> ran;
    loop_->post([&] {
      what();
      ran.set_value();
    });
    ran.get_future().wait();
  }

 private:
  Registry registry_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace pipeline
