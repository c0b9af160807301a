#include "pipeline/http/web_socket_frames.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <wslay/wslay.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/text_encoding.h"

namespace pipeline {
namespace {

constexpr size_t kMaxReasonBytes = 123;  // a control frame has room for 125, two are the code

// At most `limit` bytes, not cut inside a character.
std::string_view cut_text(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit);
}

// Codes of a close frame: those of RFC 6455 and of its registry, and the free ranges; 0: none.
bool may_be_sent(uint16_t code) {
  if (code >= 3000) return code < 5000;
  return code == 0 || (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006);
}

}  // namespace

struct WebSocketFrames::State {
  wslay_event_context_ptr wslay = nullptr;
  std::string_view input;
  std::string output;
  std::vector<WebSocketMessage> messages;
  std::mt19937 masks{std::random_device{}()};

  ~State() { wslay_event_context_free(wslay); }

  static State& of(void* user) { return *static_cast<State*>(user); }
  void write_all() {
    const int sent = wslay_event_send(wslay);
    INVARIANT(sent == 0);  // our callback takes everything
  }
  void queue(uint8_t opcode, std::string_view text) {
    const wslay_event_msg message{opcode, reinterpret_cast<const uint8_t*>(text.data()), text.size()};
    if (wslay_event_queue_msg(wslay, &message) == 0) write_all();  // not 0: closing
  }
  void break_off() { wslay_event_queue_close(wslay, WSLAY_CODE_PROTOCOL_ERROR, nullptr, 0); }
  void take(const wslay_event_on_msg_recv_arg& message);
};

void WebSocketFrames::State::take(const wslay_event_on_msg_recv_arg& message) {
  std::string text(reinterpret_cast<const char*>(message.msg), message.msg_length);
  switch (message.opcode) {
    case WSLAY_TEXT_FRAME: messages.push_back({WebSocketMessage::Kind::kText, 0, std::move(text)}); return;
    case WSLAY_BINARY_FRAME: messages.push_back({WebSocketMessage::Kind::kBinary, 0, std::move(text)}); return;
    case WSLAY_PONG: messages.push_back({WebSocketMessage::Kind::kPong, 0, std::move(text)}); return;
    case WSLAY_CONNECTION_CLOSE:
      if (message.msg_length == 1 || !may_be_sent(message.status_code)) return break_off();
      text.erase(0, 2);  // the code
      messages.push_back({WebSocketMessage::Kind::kClose, message.status_code, std::move(text)});
      return;
    default: return;  // a ping, which wslay answers
  }
}

WebSocketFrames::WebSocketFrames(Role role, uint64_t max_message_bytes) : state_(std::make_unique<State>()) {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = [](wslay_event_context_ptr context, uint8_t* to, size_t size, int, void* user) -> ssize_t {
    std::string_view& input = State::of(user).input;
    if (input.empty()) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    const size_t n = std::min(size, input.size());
    std::memcpy(to, input.data(), n);
    input.remove_prefix(n);
    return static_cast<ssize_t>(n);
  };
  callbacks.send_callback = [](wslay_event_context_ptr, const uint8_t* bytes, size_t size, int, void* user) -> ssize_t {
    State::of(user).output.append(reinterpret_cast<const char*>(bytes), size);
    return static_cast<ssize_t>(size);
  };
  callbacks.genmask_callback = [](wslay_event_context_ptr, uint8_t* to, size_t size, void* user) -> int {
    for (size_t i = 0; i < size; ++i) to[i] = static_cast<uint8_t>(State::of(user).masks());
    return 0;
  };
  callbacks.on_msg_recv_callback = [](wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message, void* user) {
    State::of(user).take(*message);
  };
  const int made = role == Role::kServer ? wslay_event_context_server_init(&state_->wslay, &callbacks, state_.get())
                                         : wslay_event_context_client_init(&state_->wslay, &callbacks, state_.get());
  INVARIANT(made == 0);
  wslay_event_config_set_max_recv_msg_length(state_->wslay, max_message_bytes);
}

WebSocketFrames::~WebSocketFrames() = default;

std::vector<WebSocketMessage> WebSocketFrames::feed(std::string_view bytes) {
  state_->input = bytes;
  if (wslay_event_recv(state_->wslay) != 0) {  // of some broken rules wslay does not say so itself
    state_->break_off();
    wslay_event_shutdown_read(state_->wslay);
  }
  state_->input = {};
  state_->write_all();
  return std::exchange(state_->messages, {});
}

void WebSocketFrames::send_text(std::string_view text) { state_->queue(WSLAY_TEXT_FRAME, text); }
void WebSocketFrames::send_ping() { state_->queue(WSLAY_PING, {}); }

void WebSocketFrames::close(uint16_t code, std::string_view reason) {
  const std::string_view cut = cut_text(reason, kMaxReasonBytes);
  if (wslay_event_queue_close(state_->wslay, code, reinterpret_cast<const uint8_t*>(cut.data()), cut.size()) == 0) {
    state_->write_all();
  }
}

std::string WebSocketFrames::take_output() { return std::exchange(state_->output, {}); }
bool WebSocketFrames::reads() const { return wslay_event_want_read(state_->wslay) != 0; }
bool WebSocketFrames::closing() const { return wslay_event_get_close_sent(state_->wslay) != 0; }
uint16_t WebSocketFrames::sent_code() const {
  return closing() ? static_cast<uint16_t>(wslay_event_get_status_code_sent(state_->wslay)) : uint16_t{0};
}

std::string web_socket_accept(std::string_view key) {
  const auto digest = sha1(concat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
  std::string out;
  append_base64(out, {reinterpret_cast<const char*>(digest.data()), digest.size()});
  return out;
}

}  // namespace pipeline
