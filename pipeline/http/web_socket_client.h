// WebSocketClient: a WebSocket to a server, blocking, for command lines and tests. TLS and proxies as HttpClient has
// them.
//
// Life:    connect() to close() or the destructor, which ends the connection without a close frame.
// Thread:  one at a time, none of a loop.
// Limits:  one message of at most 64 MiB.
// Errors:  connect(): kUnavailable: no answer; kInvalid: the URL or a TLS file, or `refusal` has the server's answer
//          that was not a 101. receive(): kUnavailable: the connection broke, without a close frame.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"
#include "pipeline/http/web_socket_frames.h"

namespace pipeline {

class WebSocketClient {
 public:
  // `request`: url (http, https, ws, wss), headers and timeout count. `refusal` may be null.
  static Result<std::unique_ptr<WebSocketClient>> connect(const HttpClientRequest& request,
                                                          const HttpClientOptions& options,
                                                          HttpClientResponse* refusal);
  ~WebSocketClient();

  // The next text, binary or close message; nothing when `wait` has passed. After a close message comes no other.
  Result<std::optional<WebSocketMessage>> receive(std::chrono::milliseconds wait);
  // Since anything came, pings as well.
  std::chrono::milliseconds silent_for() const;
  void send_text(std::string_view text);
  void close(uint16_t code, std::string_view reason = "");

  int fd() const;  // for tests that make a slow reader

 private:
  class Impl;
  explicit WebSocketClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
