// WebSocket: the server's side of an upgraded connection (RFC 6455): text messages both ways, pings, the closing
// handshake, and a bound for a client that does not read.
//
//   router.route("GET", "/live", [](HttpRequest request, HttpResponder responder) {
//     responder.send(web_socket_answer(request, {.ping_every = 1s}, std::make_shared<LiveSession>()));
//   });
//
// Life:    from WebSocketOwner::on_open() to on_closed(), which comes exactly once and last; the owner is held until
// then. Thread:  loop. Limits:  of WebSocketOptions. Without extensions and sub-protocols. Any Origin is accepted.
// Errors:  a client that breaks the protocol is told 1002, 1007 or 1009 and closed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/http/http_message.h"

namespace pipeline {

struct WebSocketOptions {
  uint64_t max_message_bytes = 64 << 10;            // of one message of the client
  uint64_t max_unsent_bytes = 1 << 20;              // send() says no while more than this waits for the client
  std::chrono::milliseconds ping_every{0};          // 0: never
  std::chrono::milliseconds write_timeout{60'000};  // without the client taking any byte of what waits: cut
  std::chrono::milliseconds close_timeout{5'000};   // for the client's half of the closing handshake
  bool cut_on_stop = false;  // when the server stops: true: without a close frame, which clients read as "come again"
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // False, and nothing is sent: more than max_unsent_bytes wait, or the socket is closing. on_writable() comes when
  // everything has gone out.
  virtual bool send(std::string_view text) = 0;
  virtual bool writable() const = 0;  // whether send() would take a message
  virtual uint64_t unsent_bytes() const = 0;
  // The closing handshake, after what was sent; messages of the client are dropped from now on.
  virtual void close(uint16_t code, std::string_view reason) = 0;
  virtual void cut() = 0;  // at once; on_closed() comes inside the call
};

// Who is behind a WebSocket.
class WebSocketOwner {
 public:
  virtual ~WebSocketOwner() = default;
  virtual void on_open(WebSocket& socket) = 0;
  virtual void on_text(std::string_view text) { static_cast<void>(text); }
  virtual void on_writable() {}  // everything sent has been taken, after it was too much
  // 1006: the connection broke. The socket is no more.
  virtual void on_closed(uint16_t code, std::string_view reason) = 0;
};

// The answer to a request that wants to become a WebSocket: 101; or, when it is no such request, 400 or 405 with the
// texts of Go's gorilla/websocket, which Loki answers with.
HttpResponse web_socket_answer(const HttpRequest& request, WebSocketOptions options,
                               std::shared_ptr<WebSocketOwner> owner);

}  // namespace pipeline
