// HttpConnection: one client, from accept to close: reads a request, has it answered, writes the answer, again.
//
//   kReading --request complete--> kAnswering --send()--> kWriting --written--> kReading
//        \--refused, time-out--> kWriting --written--> kDraining (our side closed, theirs read away) --> kClosed
//   kAnswering --101--> kTakenOver (the bytes are the takeover's) --its end--> kDraining or kClosed
//
// Life:    shared: the server holds it until it is closed; an answer underway holds it weakly.
// Thread:  loop; answer() any.
#pragma once

#include <memory>
#include <string>

#include "pipeline/http/http_server.h"
#include "pipeline/http/http_takeover.h"
#include "pipeline/http/request_parser.h"
#include "pipeline/http/transport.h"
#include "pipeline/loop/timer.h"

namespace pipeline {

// What a connection needs of its server. Outlives the connection's last use of it: the server closes them first.
class HttpConnectionOwner {
 public:
  virtual ~HttpConnectionOwner() = default;
  virtual const HttpServerOptions& options() const = 0;
  virtual bool stopping() const = 0;
  virtual const std::shared_ptr<BodyBudget>& body_budget() const = 0;
  virtual void handle(HttpRequest request, HttpResponder responder) = 0;
  virtual void count_received(size_t bytes) = 0;
  virtual void count_begun() = 0;                             // a request went to the handler
  virtual void count_answered(const HttpAnswered& what) = 0;  // ... and was answered
  virtual void count_refused(int status) = 0;                 // malformed, too large, too slow
  virtual std::string_view date() = 0;                        // for the Date header
  virtual void forget(class HttpConnection& connection) = 0;  // closed: the last call
};

class HttpConnection final : public std::enable_shared_from_this<HttpConnection>, private HttpTakeover::Peer {
 public:
  HttpConnection(Loop& loop, HttpConnectionOwner& owner, std::unique_ptr<Transport> transport);

  void start();
  void stop();   // close now if idle, else after the answer; a takeover is told
  void close();  // at once

 private:
  enum class State { kReading, kAnswering, kWriting, kTakenOver, kDraining, kClosed };

  void on_bytes(std::string_view bytes);
  void on_end(const Result<void>& end);
  void consume(std::string_view bytes);
  void consume_held();
  void dispatch();
  void answer(uint64_t number, HttpResponse response, std::string_view route);
  void refuse(HttpResponse response);
  std::string head_of(const HttpResponse& response, bool keep_alive);
  void write_answer(HttpResponse response, bool keep_alive);
  void hand_over(HttpResponse response);
  void on_written(const Result<void>& written);
  void give_body_back();
  void drain();
  void on_timer();
  void watch_reading();
  HttpResponder responder();
  void end_takeover();

  // Of the takeover.
  Loop& loop() override { return loop_; }
  void write(std::vector<std::string> pieces) override;
  uint64_t unsent_bytes() const override { return transport_->unsent_bytes(); }
  void finish() override;
  void cut() override { close(); }

  Loop& loop_;
  HttpConnectionOwner* owner_;  // null once closed
  std::unique_ptr<Transport> transport_;
  RequestParser parser_;
  Timer timer_;
  State state_ = State::kReading;
  std::shared_ptr<HttpTakeover> takeover_;  // in kTakenOver

  std::string held_;          // came while a request was being answered
  bool paused_ = false;       // held_ is full
  bool consuming_ = false;    // consume_held() is on the stack
  bool half_closed_ = false;  // the client sends no more

  uint64_t number_ = 0;  // of the request being answered
  std::string method_;
  uint64_t body_bytes_ = 0;
  std::chrono::nanoseconds asked_at_{0};
  bool keep_alive_ = false;
  std::shared_ptr<std::atomic<bool>> disconnected_;

  RequestParser::State watched_ = RequestParser::State::kIdle;  // what timer_ is set for while reading
  std::chrono::milliseconds last_progress_{0};
  uint64_t last_unsent_ = 0;
};

}  // namespace pipeline
