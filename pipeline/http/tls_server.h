// TlsServer: TLS around accepted streams (OpenSSL with memory BIOs; TLS 1.2 and 1.3). Certificates that are renewed on
// disk are taken for new connections within kLookEvery; files that cannot be used then are logged, and the old ones go
// on.
//
// Life:    outlives its transports' handshakes only by reference count: may die first.
// Thread:  loop.
// Errors:  kInvalid for files that cannot be read or do not belong together, naming the file.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/http/http_server.h"
#include "pipeline/http/transport.h"

namespace pipeline {

class TlsServer {
 public:
  static constexpr std::chrono::seconds kLookEvery{5};
  static Result<std::unique_ptr<TlsServer>> create(const HttpServerTls& files);
  ~TlsServer();

  std::unique_ptr<Transport> wrap(std::unique_ptr<TcpStream> stream);

  // What wrap() does from time to time: takes the files as they are now, if they are others than at the last look.
  enum class Renewal { kUnchanged, kTaken };
  Result<Renewal> renew();

 private:
  struct Context;
  explicit TlsServer(const HttpServerTls& files);
  Result<void> load();

  const HttpServerTls files_;
  std::unique_ptr<Context> context_;
  std::string version_;  // of the files in context_: their sizes and times of change
  std::chrono::nanoseconds looked_at_{0};
};

}  // namespace pipeline
