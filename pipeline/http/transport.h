// Transport: the bytes of one connection, plain or inside TLS. The seam between the HTTP connection and its socket.
//
// Life, thread: as TcpStream's. Callbacks never come after close(), except that each write's `done` is called once.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/loop/tcp.h"

namespace pipeline {

class Transport {
 public:
  virtual ~Transport() = default;
  virtual void start(TcpStream::OnBytes on_bytes, TcpStream::OnEnd on_end) = 0;
  virtual void write(std::vector<std::string> pieces, UniqueFunction<void(Result<void>)> done) = 0;
  virtual void finish() = 0;  // no more bytes from us, after those written so far
  virtual void close() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual void drain(size_t limit_bytes) = 0;  // as TcpStream::drain()
  virtual uint64_t unsent_bytes() const = 0;
  virtual const std::string& peer() const = 0;
  virtual std::string client_name() const { return {}; }  // HttpRequest::client_name
};

std::unique_ptr<Transport> plain_transport(std::unique_ptr<TcpStream> stream);

}  // namespace pipeline
