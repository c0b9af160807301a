// HttpTakeover: what a connection becomes after the answer 101: its bytes are no longer HTTP.
//
// Life:    travels in the HttpResponse; the connection keeps it from on_begin() until on_gone(), which is its last
// call.
//          An answer whose client is gone is dropped without any call.
// Thread:  loop.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/loop/loop.h"

namespace pipeline {

class HttpTakeover {
 public:
  // The connection, from on_begin() to on_gone().
  class Peer {
   public:
    virtual ~Peer() = default;
    virtual Loop& loop() = 0;
    virtual void write(std::vector<std::string> pieces) = 0;  // in order; the owner bounds what is unsent
    virtual uint64_t unsent_bytes() const = 0;
    // The end in order: what is written still goes out, then the connection closes. on_gone() comes inside the call.
    virtual void finish() = 0;
    virtual void cut() = 0;  // at once; on_gone() comes inside the call
  };

  virtual ~HttpTakeover() = default;
  virtual void on_begin(Peer& peer) = 0;              // the head of the answer is written
  virtual void on_bytes(std::string_view bytes) = 0;  // the view dies with the call
  virtual void on_written() = 0;                      // the system took everything written so far
  virtual void on_stop() = 0;                         // the server is stopping: come to an end
  virtual void on_gone() = 0;                         // the peer is no more, whoever ended it
};

}  // namespace pipeline
