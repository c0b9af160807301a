// HttpTransfer: one request of an HttpClient under way: everything libcurl points into, and what has come of its
// answer.
//
// Thread: loop. libcurl's own types stay in http_transfer.cc: a CURL is a void, a CURLcode an int here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"
#include "pipeline/loop/timer.h"

struct curl_slist;

namespace pipeline {

// What only a streamed answer has. Pieces are kept until libcurl has returned: whoever takes them may cancel or
// destroy.
struct HttpStreaming {
  HttpStream stream;
  std::string waiting;  // body bytes not handed on yet
  bool head_waiting = false;
  bool head_handed = false;
  bool paused = false;       // by the owner
  bool curl_waits = false;   // libcurl was told to hold its bytes back
  std::optional<int> ended;  // what libcurl said, while pieces wait to be handed on
  std::unique_ptr<Timer> silence;
};

struct HttpTransfer {
  HttpTransfer();
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // kInvalid: the URL is wrong. Once, before libcurl is given `easy`.
  Result<void> prepare(const HttpClientOptions& options);
  // What becomes of it, as libcurl says: an answer, or why there is none.
  Result<HttpClientResponse> finish(int curl_code);
  void time_out() { too_silent = true; }
  int status() const;  // of the head that came last; 0: none

  HttpClient::RequestId id = 0;
  HttpClientRequest request;
  HttpClient::Done done;
  std::unique_ptr<HttpStreaming> streaming;  // null: the answer is gathered
  uint64_t max_response_bytes = 0;
  std::string what;  // "POST http://127.0.0.1:3100/loki/api/v1/push", for messages
  void* const easy;
  HttpClientResponse response;

 private:
  static size_t on_body_bytes(char* bytes, size_t size, size_t count, void* transfer);
  static size_t on_header_bytes(char* bytes, size_t size, size_t count, void* transfer);
  void on_header(std::string_view line);
  void add_header(const std::string& line);
  void reserve_body();
  void set_method();
  void set_headers(const HttpClientOptions& options);
  Result<void> set_target(const HttpClientOptions& options);

  static constexpr size_t kErrorBytes = 256;  // CURL_ERROR_SIZE
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  char error[kErrorBytes] = "";
  bool too_large = false;
  bool too_silent = false;
};

}  // namespace pipeline
