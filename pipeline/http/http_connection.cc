#include "pipeline/http/http_connection.h"

#include "pipeline/base/clock.h"

namespace pipeline {
namespace {

constexpr size_t kHeldBytes = 64 << 10;                        // pipelined requests waiting; then the socket waits
constexpr auto kDrainTime = std::chrono::milliseconds(2'000);  // for a refused client to read why

std::chrono::nanoseconds monotonic_now() { return SystemClock().monotonic(); }

bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

HttpConnection::HttpConnection(Loop& loop, HttpConnectionOwner& owner, std::unique_ptr<Transport> transport)
    : loop_(loop),
      owner_(&owner),
      transport_(std::move(transport)),
      parser_({owner.options().max_header_bytes, owner.options().max_body_bytes}, owner.body_budget()),
      timer_(loop, [this] { on_timer(); }) {}

void HttpConnection::start() {
  timer_.start(owner_->options().idle_timeout);
  transport_->start([this](std::string_view bytes) { on_bytes(bytes); }, [this](Result<void> end) { on_end(end); });
}

void HttpConnection::on_bytes(std::string_view bytes) {
  auto self = shared_from_this();
  owner_->count_received(bytes.size());
  if (state_ == State::kDraining) return;
  if (state_ == State::kTakenOver) return takeover_->on_bytes(bytes);
  if (state_ != State::kReading || !held_.empty()) {
    held_.append(bytes);
    if (held_.size() >= kHeldBytes) {
      paused_ = true;
      transport_->pause();
    }
    return;
  }
  consume(bytes);
  consume_held();
}

// One request at most: what follows it is held until it is answered.
void HttpConnection::consume(std::string_view bytes) {
  const size_t used = parser_.feed(bytes);
  held_.assign(bytes.substr(used));
  switch (parser_.state()) {
    case RequestParser::State::kComplete: return dispatch();
    case RequestParser::State::kRefused: return refuse(parser_.refusal());
    default: break;
  }
  if (parser_.take_expectation()) transport_->write({std::string("HTTP/1.1 100 Continue\r\n\r\n")}, nullptr);
  watch_reading();
}

// Requests that came early, one after the other; not recursive, however many there are.
void HttpConnection::consume_held() {
  if (consuming_) return;
  consuming_ = true;
  while (state_ == State::kReading && !held_.empty()) {
    const std::string bytes = std::move(held_);
    held_.clear();
    consume(bytes);
  }
  consuming_ = false;
  if (state_ == State::kReading && paused_) {
    paused_ = false;
    transport_->resume();
  }
  if (state_ == State::kReading && half_closed_) close();  // nothing whole is left and nothing more will come
}

void HttpConnection::watch_reading() {
  const RequestParser::State now = parser_.state();
  last_progress_ = loop_.now();
  if (now == watched_) return;
  watched_ = now;
  switch (now) {
    case RequestParser::State::kHead: timer_.start(owner_->options().header_timeout); break;
    case RequestParser::State::kBody: timer_.start(owner_->options().body_timeout); break;
    default: timer_.start(owner_->options().idle_timeout); break;
  }
}

HttpResponder HttpConnection::responder() {
  // The loop outlives every responder, so an answer may come from any thread at any time; the connection may be gone.
  return HttpResponder(
      [loop = &loop_, weak = weak_from_this(), number = number_](HttpResponse response, std::string_view route) {
        if (loop->is_current()) {
          if (auto self = weak.lock()) self->answer(number, std::move(response), route);
          return;
        }
        loop->post([weak, number, response = std::move(response), route = std::string(route)]() mutable {
          if (auto self = weak.lock()) self->answer(number, std::move(response), route);
        });
      },
      disconnected_);
}

void HttpConnection::dispatch() {
  timer_.stop();
  state_ = State::kAnswering;
  ++number_;
  HttpRequest request = parser_.take();
  request.peer = transport_->peer();
  request.client_name = transport_->client_name();
  keep_alive_ = parser_.keep_alive();
  method_ = request.method;
  body_bytes_ = request.body.size();
  asked_at_ = monotonic_now();
  disconnected_ = std::make_shared<std::atomic<bool>>(half_closed_);
  owner_->count_begun();
  owner_->handle(std::move(request), responder());
}

void HttpConnection::answer(uint64_t number, HttpResponse response, std::string_view route) {
  DEBUG_INVARIANT(loop_.is_current());
  if (state_ != State::kAnswering || number != number_) return;  // closed meanwhile
  give_body_back();
  owner_->count_answered({.method = method_,
                          .route = route,
                          .status = response.status,
                          .took = monotonic_now() - asked_at_,
                          .body_bytes = body_bytes_});
  if (response.takeover) return hand_over(std::move(response));
  const bool keep_alive = keep_alive_ && !owner_->stopping() && !response.headers.has_token("Connection", "close");
  write_answer(std::move(response), keep_alive);
}

void HttpConnection::give_body_back() { owner_->body_budget()->give_back(body_bytes_); }

void HttpConnection::refuse(HttpResponse response) {
  owner_->count_refused(response.status);
  method_.clear();
  held_.clear();
  write_answer(std::move(response), false);
}

std::string HttpConnection::head_of(const HttpResponse& response, bool keep_alive) {
  std::string head =
      concat("HTTP/1.1 ", response.status, " ", http_reason(response.status), "\r\nDate: ", owner_->date(), "\r\n");
  for (const auto& [name, value] : response.headers) { head.append(name).append(": ").append(value).append("\r\n"); }
  if (!has_no_body(response.status)) head += concat("Content-Length: ", response.body.size(), "\r\n");
  if (!keep_alive && !response.headers.has("Connection")) head += "Connection: close\r\n";
  return head += "\r\n";
}

void HttpConnection::write_answer(HttpResponse response, bool keep_alive) {
  state_ = State::kWriting;
  keep_alive_ = keep_alive;
  std::vector<std::string> pieces;
  pieces.push_back(head_of(response, keep_alive));
  if (!has_no_body(response.status) && method_ != "HEAD") pieces.push_back(std::move(response.body));
  transport_->write(std::move(pieces), [self = shared_from_this()](Result<void> r) { self->on_written(r); });
  last_unsent_ = transport_->unsent_bytes();
  timer_.start(owner_->options().write_timeout);
}

void HttpConnection::hand_over(HttpResponse response) {
  INVARIANT(response.status == 101);
  const auto self = shared_from_this();
  state_ = State::kTakenOver;
  takeover_ = std::move(response.takeover);
  std::vector<std::string> head;
  head.push_back(head_of(response, true));
  write(std::move(head));
  takeover_->on_begin(*this);
  const std::string early = std::exchange(held_, {});  // it may have begun to speak already
  if (state_ == State::kTakenOver && !early.empty()) takeover_->on_bytes(early);
  if (state_ == State::kTakenOver && half_closed_) return close();
  if (state_ == State::kTakenOver && owner_->stopping()) return takeover_->on_stop();
  if (state_ == State::kTakenOver && std::exchange(paused_, false)) transport_->resume();
}

void HttpConnection::write(std::vector<std::string> pieces) {
  transport_->write(std::move(pieces), [self = shared_from_this()](const Result<void>& written) {
    if (self->state_ != State::kTakenOver) return;
    if (!written) return self->close();
    self->takeover_->on_written();
  });
}

void HttpConnection::finish() {
  if (state_ != State::kTakenOver) return;
  const auto self = shared_from_this();
  drain();
  end_takeover();
}

void HttpConnection::end_takeover() {
  if (!takeover_) return;
  const std::shared_ptr<HttpTakeover> last = std::exchange(takeover_, nullptr);
  last->on_gone();
  loop_.post([last] {});  // it may be on the stack
}

void HttpConnection::on_written(const Result<void>& written) {
  if (state_ != State::kWriting) return;  // closed
  if (!written) return close();
  if (!keep_alive_) return drain();
  state_ = State::kReading;
  watched_ = RequestParser::State::kIdle;
  timer_.start(owner_->options().idle_timeout);
  if (owner_->stopping() && held_.empty()) return close();
  consume_held();
}

// Closing with bytes of the client unread would reset the connection, and the client might never see our answer.
void HttpConnection::drain() {
  held_.clear();
  transport_->finish();
  if (half_closed_) return close();
  state_ = State::kDraining;
  transport_->resume();
  timer_.start(kDrainTime);
}

void HttpConnection::on_end(const Result<void>& end) {
  auto self = shared_from_this();
  half_closed_ = true;
  if (disconnected_) disconnected_->store(true, std::memory_order_relaxed);
  if (!end || state_ == State::kTakenOver) return close();
  if (state_ == State::kDraining || (state_ == State::kReading && held_.empty())) close();
}

void HttpConnection::on_timer() {
  auto self = shared_from_this();
  if (state_ == State::kDraining) return close();
  if (state_ == State::kWriting) {
    const uint64_t unsent = transport_->unsent_bytes();
    if (unsent == last_unsent_) return close();
    last_unsent_ = unsent;
    return timer_.start(owner_->options().write_timeout);
  }
  if (parser_.state() == RequestParser::State::kIdle) return close();
  if (parser_.state() == RequestParser::State::kBody) {
    const auto quiet = loop_.now() - last_progress_;
    const auto patience = owner_->options().body_timeout;
    if (quiet < patience) return timer_.start(patience - quiet);
  }
  refuse(HttpResponse::text(408, "request timed out: the client sent too slowly\n"));
}

void HttpConnection::stop() {
  if (state_ == State::kTakenOver) return takeover_->on_stop();
  if (state_ == State::kReading && parser_.state() == RequestParser::State::kIdle && held_.empty()) close();
}

void HttpConnection::close() {
  if (state_ == State::kClosed) return;
  auto self = shared_from_this();
  if (state_ == State::kAnswering) {
    give_body_back();
    owner_->count_answered({.method = method_,
                            .route = "other",
                            .status = 499,
                            .took = monotonic_now() - asked_at_,
                            .body_bytes = body_bytes_});
  }
  state_ = State::kClosed;
  if (disconnected_) disconnected_->store(true, std::memory_order_relaxed);
  timer_.stop();
  transport_->close();
  end_takeover();
  owner_->forget(*this);
  owner_ = nullptr;
  loop_.post([self] {});  // callers of ours may still be on the stack: live on until they are gone
}

}  // namespace pipeline
