// RequestParser: bytes of a connection in, whole requests out. The only place that knows llhttp.
//
// Life:    one per connection; after kComplete comes take(), then the next request.
// Thread:  loop.
// Limits:  header bytes (request line, headers, trailers, chunk extensions), body bytes, and the budget of all bodies
//          together; beyond: kRefused.
// Speed:   body bytes are copied once, from the read buffer to the end of the body string, whose space is reserved
//          from Content-Length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/http/http_message.h"

namespace pipeline {

// Bytes of request bodies that a server holds at one time: being received, or handed to a handler and not yet answered.
class BodyBudget {
 public:
  explicit BodyBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  bool take(uint64_t bytes) {
    if (bytes > limit_bytes_ - used_bytes_) return false;
    used_bytes_ += bytes;
    return true;
  }
  void give_back(uint64_t bytes) { used_bytes_ -= bytes; }
  uint64_t used_bytes() const { return used_bytes_; }

 private:
  const uint64_t limit_bytes_;
  uint64_t used_bytes_ = 0;
};

struct RequestLimits {
  uint64_t max_header_bytes = 0;
  uint64_t max_body_bytes = 0;
};

class RequestParser {
 public:
  enum class State {
    kIdle,      // nothing of a request yet
    kHead,      // inside the request line and headers
    kBody,      // the head is complete
    kComplete,  // take() it; feed nothing before
    kRefused,   // answer refusal() and end the connection
  };

  // The budget is shared, as a closed connection may outlive its server by a turn of the loop.
  RequestParser(RequestLimits limits, std::shared_ptr<BodyBudget> budget);
  ~RequestParser();

  // Returns how many bytes were used: all of them, unless the state is kComplete or kRefused.
  size_t feed(std::string_view bytes);
  State state() const;

  // In kComplete; `peer` is left to the caller, and so is giving the size of the body back to the budget.
  HttpRequest take();
  bool keep_alive() const;  // of the request last completed
  HttpResponse refusal();   // in kRefused
  bool take_expectation();  // true once, when the head said "Expect: 100-continue" and the body has not come

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace pipeline
