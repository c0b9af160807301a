// WebSocketFrames: bytes of a WebSocket in, messages out, and the other way round (RFC 6455). The only place that knows
// wslay. Pings are answered and a close is replied to by it: take_output() after every call.
//
// Life:    one per connection. Thread: one at a time.
// Limits:  messages of at most `max_message_bytes`; a longer one ends the reading with code 1009.
// Errors:  what breaks the protocol (an unmasked client, a reserved bit, bad UTF-8) ends the reading; the close frame
//          that says why is in the output, close_code() its number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pipeline {

inline constexpr uint16_t kWebSocketNormal = 1000;
inline constexpr uint16_t kWebSocketGoingAway = 1001;
inline constexpr uint16_t kWebSocketAbnormal = 1006;  // never sent: the connection ended without a close frame
inline constexpr uint16_t kWebSocketInternalError = 1011;

struct WebSocketMessage {
  enum class Kind { kText, kBinary, kPong, kClose };
  Kind kind = Kind::kText;
  uint16_t code = 0;  // of kClose; 0: none was given
  std::string text;   // of kClose: the reason
};

class WebSocketFrames {
 public:
  enum class Role { kServer, kClient };
  WebSocketFrames(Role role, uint64_t max_message_bytes);
  ~WebSocketFrames();
  WebSocketFrames(const WebSocketFrames&) = delete;
  WebSocketFrames& operator=(const WebSocketFrames&) = delete;

  std::vector<WebSocketMessage> feed(std::string_view bytes);

  // After close() nothing more is taken, and nothing is sent.
  void send_text(std::string_view text);
  void send_ping();
  void close(uint16_t code, std::string_view reason);  // cut to 123 bytes, at a character

  std::string take_output();
  bool reads() const;          // false: the peer closed, or broke the rules
  bool closing() const;        // our close frame is written
  uint16_t sent_code() const;  // its code; 0 before

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "Sec-WebSocket-Accept" of a "Sec-WebSocket-Key".
std::string web_socket_accept(std::string_view key);

}  // namespace pipeline
