// TlsServer: certificates read once, and TLS around accepted streams (OpenSSL with memory BIOs; TLS 1.2 and 1.3).
//
// Life:    outlives its transports' handshakes only by reference count: may die first.
// Thread:  loop.
// Errors:  kInvalid for files that cannot be read or do not belong together, naming the file.
#pragma once

#include <memory>

#include "pipeline/base/result.h"
#include "pipeline/http/http_server.h"
#include "pipeline/http/transport.h"

namespace pipeline {

class TlsServer {
 public:
  static Result<std::unique_ptr<TlsServer>> create(const HttpServerTls& files);
  ~TlsServer();

  std::unique_ptr<Transport> wrap(std::unique_ptr<TcpStream> stream);

 private:
  struct Context;
  explicit TlsServer(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

}  // namespace pipeline
