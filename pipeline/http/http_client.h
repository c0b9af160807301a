// HttpClient: HTTP requests from the loop. The door to libcurl, driven by its multi-socket interface.
//
// Life:    requests still running when the client dies (or is closed) are told kCancelled before close() returns.
// Thread:  loop.
// Limits:  of HttpClientOptions. Connections are kept and used again. A stream holds at most 2 MiB that its owner has
// not
//          taken yet; then the connection is not read (TCP pushes back).
// Errors:  kUnavailable: no answer (refused, reset, timed out, TLS refused); kOverLimit: the answer is larger than
// allowed;
//          kInvalid: the URL or a TLS file is wrong; kCancelled. Any HTTP status is an answer, not an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/http/http_message.h"
#include "pipeline/loop/loop.h"

namespace pipeline {

struct HttpClientTls {  // PEM files; empty = the system's authorities, no client certificate
  std::string ca_file = {};
  std::string cert_file = {};
  std::string key_file = {};
  std::string server_name = {};  // replaces the URL's host for verification and SNI
  bool verify = true;            // false: any certificate will do (a kubelet that signed its own)
};

struct HttpClientOptions {
  HttpClientTls tls = {};
  HttpHeaders headers = {};   // added to every request: a bearer token, User-Agent
  std::string username = {};  // not empty: HTTP basic authentication
  std::string password = {};
  std::chrono::milliseconds connect_timeout{5'000};
  uint64_t max_response_bytes = 64 << 20;
  uint32_t buffer_bytes = 0;     // of one reading of a connection, held while a request runs; 0: 16 KiB
  uint32_t max_connections = 8;  // kept open when idle; more may run at once
  // Of the form http://user:password@host:port; empty: what http_proxy, HTTPS_PROXY, NO_PROXY of the environment say,
  // never for loopback and link-local addresses. `no_proxy`: hosts, with commas, that `proxy_url` is not for.
  std::string proxy_url = {};
  std::string no_proxy = {};
  // Says at once what has arrived: a server that sends head and body apart waits 40 ms for that before the body. Costs
  // a system call per readable event.
  bool quick_ack = false;
  std::string unix_socket = {};  // path: every connection goes there, the URL's host is only a name
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string url = {};
  HttpHeaders headers = {};
  std::shared_ptr<const std::string> body = {};  // sent without a copy; may be absent
  std::chrono::milliseconds timeout{30'000};     // of the whole exchange; of a stream, until its head is there
  bool compressed = false;                       // asks for gzip or deflate and hands on what was inside
};

struct HttpClientResponse {
  int status = 0;
  HttpHeaders headers = {};
  std::string body = {};
};

// Who takes an answer piece by piece, as it comes: a watch that lasts for hours, a log that is followed.
struct HttpStream {
  // Once, before any piece: status and headers; the body is empty. May be absent.
  UniqueFunction<void(const HttpClientResponse&)> on_head = {};
  UniqueFunction<void(std::string_view)> on_body = {};  // never empty pieces; cut anywhere
  // Last, exactly once: the whole answer came (its body is empty here), or why not. After on_head this is how it ended.
  UniqueFunction<void(Result<HttpClientResponse>)> done = {};
  std::chrono::milliseconds idle_timeout{0};  // 0: none. Longest silence after the head; pauses do not count
};

class HttpClient {
 public:
  using Done = UniqueFunction<void(Result<HttpClientResponse>)>;
  using RequestId = uint64_t;

  static Result<std::unique_ptr<HttpClient>> create(Loop& loop, HttpClientOptions options);
  ~HttpClient();  // close()

  // `done` is called exactly once, on the loop, never inside send().
  RequestId send(HttpClientRequest request, Done done);
  // The same, in pieces and without a limit of size or of the whole time. Its functions may call anything here,
  // cancel() and the destructor too.
  RequestId stream(HttpClientRequest request, HttpStream stream);
  void pause(RequestId id);   // of a stream: no more pieces until resume(); what is under way waits in the socket
  void resume(RequestId id);  // pieces come from the loop, never inside this call
  void cancel(RequestId id);  // done(kCancelled) before this returns; an id already answered is ignored
  size_t running() const;
  void close();  // may be called twice

 private:
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One request on a loop of its own; returns with the answer. For the command line and for tests.
// Thread:  any that is not a loop's.
Result<HttpClientResponse> http_fetch(HttpClientRequest request, HttpClientOptions options = {});

}  // namespace pipeline
