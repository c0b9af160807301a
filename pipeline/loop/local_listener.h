// LocalListener: streams of a unix socket, as TcpListener has those of a port.
//
// Life:    the socket's file is made by listen() and removed by close(); one that a dead program left is replaced.
// Thread:  loop.
#pragma once

#include <memory>

#include "pipeline/loop/local_socket.h"
#include "pipeline/loop/tcp.h"

namespace pipeline {

class LocalListener {
 public:
  // Errors: as clear_local_path(); kUnavailable: the folder is missing, not permitted.
  static Result<std::unique_ptr<LocalListener>> listen(Loop& loop, LocalAddress address,
                                                       TcpListener::OnStream on_stream);
  ~LocalListener();
  LocalListener(const LocalListener&) = delete;
  LocalListener& operator=(const LocalListener&) = delete;

  void close();  // may be called twice

  struct State;

 private:
  explicit LocalListener(State* state);
  State* state_;
};

}  // namespace pipeline
