// libuv's side of TcpStream and TcpListener: for the sources of this room only.
#pragma once

#include "pipeline/loop/loop_impl.h"
#include "pipeline/loop/tcp.h"

namespace pipeline {

union StreamHandle {
  uv_tcp_t tcp;
  uv_pipe_t local;
};

struct TcpStream::State {
  StreamHandle handle;
  Loop* loop;
  std::string peer;
  OnBytes on_bytes;
  OnEnd on_end;

  void on_read(ssize_t count, const char* bytes);
  int resume();
};

// "127.0.0.1:80" of a bound or connected socket; "?" when the system does not say.
std::string socket_address(const uv_tcp_t& handle, int (*get)(const uv_tcp_t*, sockaddr*, int*));

}  // namespace pipeline
