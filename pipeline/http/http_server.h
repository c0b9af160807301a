// HttpServer: HTTP/1.1 on the loop, over TCP or TLS. The door to llhttp, and with TLS to OpenSSL.
//
// Life:    listen() to close(); stop() first lets running answers finish. The loop outlives the server and every
//          HttpResponder.
// Thread:  loop; the handler is called on the loop and must return soon. HttpResponder::send: any.
// Limits:  of HttpServerOptions. Requests of one connection are handled one after the other, so pipelined answers keep
//          their order. Bodies arrive whole, in memory.
// Errors:  malformed requests get 400 and the connection ends; larger ones 431 or 413; slow ones 408; too many at
//          once 503.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_message.h"
#include "pipeline/loop/loop.h"

namespace pipeline {

// Answers one request, exactly once. One that dies unanswered answers 500, so that nobody waits for ever.
// Thread:  any, one at a time.
class HttpResponder {
 public:
  using Send = UniqueFunction<void(HttpResponse, std::string_view route)>;
  // The server makes these; tests of handlers may make their own.
  explicit HttpResponder(Send send, std::shared_ptr<std::atomic<bool>> disconnected = nullptr);
  ~HttpResponder();
  HttpResponder(HttpResponder&&) = default;
  HttpResponder& operator=(HttpResponder&& other);  // the one replaced answers 500 if nobody did

  void send(HttpResponse response);  // an answer for a client that is gone is dropped in silence

  // The client closed its side (as in Go, also when only half of it): long work may stop. send() is still owed.
  bool disconnected() const { return disconnected_ && disconnected_->load(std::memory_order_relaxed); }
  // The same, for work that must not hold the responder. Never null.
  std::shared_ptr<const std::atomic<bool>> disconnected_flag() const { return disconnected_; }

  void set_route(std::string route) { route_ = std::move(route); }  // the `route` label of the metrics

 private:
  Send send_;
  std::shared_ptr<std::atomic<bool>> disconnected_;
  std::string route_ = "other";
};

using HttpHandler = std::function<void(HttpRequest, HttpResponder)>;

struct HttpServerTls {  // PEM files
  std::string cert_file = {};
  std::string key_file = {};
  std::string client_ca_file = {};  // not empty: clients must show a certificate of this authority
  // For clients that only write: a ticket that they never read makes the system reset the connection when they close
  // it, and with it goes what they sent last.
  bool session_tickets = true;
};

// One answered request, for request metrics under other names.
struct HttpAnswered {
  std::string_view method = {};
  std::string_view route = {};
  int status = 0;
  std::chrono::nanoseconds took{0};  // from the last byte of the request to the answer
  uint64_t body_bytes = 0;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1:0";  // HOST:PORT, port 0 = any
  HttpServerTls tls = {};               // cert_file empty: plain TCP
  uint64_t max_header_bytes = 64 << 10;
  uint64_t max_body_bytes = 100 << 20;
  uint64_t max_underway_bytes = 1 << 30;                   // of all bodies being received or handled; beyond: 503
  std::chrono::milliseconds header_timeout{10'000};        // from a request's first byte to the end of its head
  std::chrono::milliseconds body_timeout{30'000};          // without any byte of the body
  std::chrono::milliseconds idle_timeout{120'000};         // between requests
  std::chrono::milliseconds write_timeout{60'000};         // an answer without any progress
  std::string metrics_prefix = "skidway_server";           // PREFIX_http_requests_total{route,status}, ...
  std::function<void(const HttpAnswered&)> answered = {};  // may be empty
};

class HttpServer {
 public:
  // kInvalid: malformed address or certificates; kUnavailable: the address is taken.
  static Result<std::unique_ptr<HttpServer>> listen(Loop& loop, Registry& registry, HttpServerOptions options,
                                                    HttpHandler handler);
  ~HttpServer();  // close()

  uint16_t port() const;
  const std::string& address() const;  // "127.0.0.1:3100"
  size_t connections() const;

  // Takes no new connections, closes idle ones, lets running requests be answered; `done` comes exactly once, when the
  // last connection is gone or after `deadline` (then they are cut).
  void stop(std::chrono::milliseconds deadline, Task done);

  void close();  // at once; may be called twice

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
