// RequestParser: bytes of a connection in, whole requests out. The only place that knows llhttp.
//
// Life:    one per connection; after kComplete comes take(), then the next request.
// Thread:  loop.
// Limits:  header bytes (request line, headers, trailers, chunk extensions) and body bytes; beyond: kRefused.
// Speed:   body bytes are copied once, from the read buffer to the end of the body string, whose space is reserved
//          from Content-Length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/http/http_message.h"

namespace pipeline {

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

  explicit RequestParser(RequestLimits limits);
  ~RequestParser();

  // Returns how many bytes were used: all of them, unless the state is kComplete or kRefused.
  size_t feed(std::string_view bytes);
  State state() const;

  HttpRequest take();       // in kComplete; `peer` is left to the caller
  bool keep_alive() const;  // of the request last completed
  HttpResponse refusal();   // in kRefused
  bool take_expectation();  // true once, when the head said "Expect: 100-continue" and the body has not come

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace pipeline
