#include "pipeline/http/web_socket.h"

#include "pipeline/base/text_encoding.h"
#include "pipeline/http/http_takeover.h"
#include "pipeline/http/web_socket_frames.h"
#include "pipeline/loop/timer.h"

namespace pipeline {
namespace {

class Session final : public HttpTakeover, public WebSocket, public std::enable_shared_from_this<Session> {
 public:
  Session(WebSocketOptions options, std::shared_ptr<WebSocketOwner> owner)
      : options_(options),
        owner_(std::move(owner)),
        frames_(WebSocketFrames::Role::kServer, options.max_message_bytes) {}

  void on_begin(Peer& peer) override;
  void on_bytes(std::string_view bytes) override;
  void on_written() override;
  void on_stop() override;
  void on_gone() override;

  bool send(std::string_view text) override;
  bool writable() const override {
    return peer_ && !frames_.closing() && peer_->unsent_bytes() <= options_.max_unsent_bytes;
  }
  uint64_t unsent_bytes() const override { return peer_ ? peer_->unsent_bytes() : 0; }
  void close(uint16_t code, std::string_view reason) override;
  void cut() override {
    if (peer_) peer_->cut();
  }

 private:
  void take(const WebSocketMessage& message);
  void write_output();
  void end_if_closed();
  void on_ping_timer();
  void on_write_timer();

  const WebSocketOptions options_;
  std::shared_ptr<WebSocketOwner> owner_;
  WebSocketFrames frames_;
  Peer* peer_ = nullptr;  // null before on_begin() and after on_gone()
  std::unique_ptr<Timer> ping_timer_, write_timer_, close_timer_;
  uint64_t last_unsent_ = 0;
  bool full_ = false;        // on_writable() is due when everything is sent
  bool close_came_ = false;  // the client's close frame
  uint16_t closed_code_ = kWebSocketAbnormal;
  std::string closed_reason_;
};

void Session::on_begin(Peer& peer) {
  peer_ = &peer;
  write_timer_ = std::make_unique<Timer>(peer.loop(), [this] { on_write_timer(); });
  ping_timer_ = std::make_unique<Timer>(peer.loop(), [this] { on_ping_timer(); });
  if (options_.ping_every.count() > 0) ping_timer_->start_repeating(options_.ping_every);
  owner_->on_open(*this);
}

void Session::on_bytes(std::string_view bytes) {
  const auto self = shared_from_this();
  for (const WebSocketMessage& message : frames_.feed(bytes)) {
    take(message);
    if (!peer_) return;
  }
  write_output();
  end_if_closed();
}

void Session::take(const WebSocketMessage& message) {
  switch (message.kind) {
    case WebSocketMessage::Kind::kText:
    case WebSocketMessage::Kind::kBinary:
      if (!frames_.closing()) owner_->on_text(message.text);
      return;
    case WebSocketMessage::Kind::kPong: return;
    case WebSocketMessage::Kind::kClose:
      close_came_ = true;
      if (closed_code_ == kWebSocketAbnormal) closed_code_ = message.code, closed_reason_ = message.text;
  }
}

// A client that pings without reading the answers is cut like one that does not read at all.
void Session::write_output() {
  std::string output = frames_.take_output();
  if (output.empty() || !peer_) return;
  std::vector<std::string> pieces;
  pieces.push_back(std::move(output));
  peer_->write(std::move(pieces));
  if (peer_->unsent_bytes() > 2 * options_.max_unsent_bytes + options_.max_message_bytes) return peer_->cut();
  full_ = full_ || peer_->unsent_bytes() > options_.max_unsent_bytes;
  if (write_timer_->active()) return;
  last_unsent_ = peer_->unsent_bytes();
  write_timer_->start(options_.write_timeout);
}

// Both close frames are there, or reading ended because the client broke the rules.
void Session::end_if_closed() {
  if (!peer_ || frames_.reads()) return;
  if (!close_came_ && closed_code_ == kWebSocketAbnormal && frames_.closing()) closed_code_ = frames_.sent_code();
  peer_->finish();
}

void Session::on_written() {
  const auto self = shared_from_this();
  if (!peer_ || peer_->unsent_bytes() > 0) return;
  write_timer_->stop();
  if (std::exchange(full_, false)) owner_->on_writable();
}

void Session::on_write_timer() {
  const auto self = shared_from_this();
  const uint64_t unsent = peer_->unsent_bytes();
  if (unsent == 0) return;
  if (unsent == last_unsent_) return peer_->cut();
  last_unsent_ = unsent;
  write_timer_->start(options_.write_timeout);
}

void Session::on_ping_timer() {
  const auto self = shared_from_this();
  if (peer_->unsent_bytes() > 0) return;  // it has enough to read, and the write timer watches
  frames_.send_ping();
  write_output();
}

bool Session::send(std::string_view text) {
  if (!writable()) return false;
  frames_.send_text(text);
  write_output();
  return true;
}

void Session::close(uint16_t code, std::string_view reason) {
  if (!peer_ || frames_.closing()) return;
  const auto self = shared_from_this();
  closed_code_ = code, closed_reason_ = reason;
  frames_.close(code, reason);
  write_output();
  if (!peer_) return;
  close_timer_ = std::make_unique<Timer>(peer_->loop(), [this] {
    const auto alive = shared_from_this();
    if (peer_) peer_->finish();
  });
  close_timer_->start(options_.close_timeout);
}

void Session::on_stop() {
  if (options_.cut_on_stop) return cut();
  close(kWebSocketGoingAway, "the server is stopping");
}

void Session::on_gone() {
  peer_ = nullptr;
  ping_timer_.reset(), write_timer_.reset(), close_timer_.reset();
  const auto owner = std::exchange(owner_, nullptr);
  owner->on_closed(closed_code_, closed_reason_);
}

// The texts and codes of gorilla/websocket's Upgrader, which Loki uses.
HttpResponse refuse_upgrade(int status) {
  HttpResponse answer = HttpResponse::text(status, concat(http_reason(status), "\n"));
  answer.headers.set("X-Content-Type-Options", "nosniff");
  answer.headers.set("Sec-Websocket-Version", "13");
  return answer;
}

bool is_key(std::string_view key) {
  const auto decoded = decode_base64(key);
  return decoded && decoded->size() == 16;
}

}  // namespace

HttpResponse web_socket_answer(const HttpRequest& request, WebSocketOptions options,
                               std::shared_ptr<WebSocketOwner> owner) {
  const HttpHeaders& headers = request.headers;
  const std::string_view key = headers.get("Sec-WebSocket-Key");
  if (!headers.has_token("Connection", "upgrade") || !headers.has_token("Upgrade", "websocket")) {
    return refuse_upgrade(400);
  }
  if (request.method != "GET") return refuse_upgrade(405);
  if (headers.get("Sec-WebSocket-Version") != "13" || !is_key(key)) return refuse_upgrade(400);
  HttpResponse answer = HttpResponse::empty(101);
  answer.headers.set("Upgrade", "websocket");
  answer.headers.set("Connection", "Upgrade");
  answer.headers.set("Sec-WebSocket-Accept", web_socket_accept(key));
  answer.takeover = std::make_shared<Session>(options, std::move(owner));
  return answer;
}

}  // namespace pipeline
