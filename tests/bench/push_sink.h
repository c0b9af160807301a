// PushSink: an HTTP server that takes Loki pushes, answers 204 as soon as a body is in memory, and sums up what arrived
// in a thread of its own.
//
// Life:    its loop and its decoder run from construction to destruction.
// Thread:  any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "pipeline/http/http_server.h"
#include "tests/bench/entry_sums.h"

namespace bench {

class PushSink {
 public:
  PushSink();
  ~PushSink();
  PushSink(const PushSink&) = delete;
  PushSink& operator=(const PushSink&) = delete;

  uint16_t port() const { return port_; }
  void set_away(bool away) { away_ = away; }  // answers 503 and takes nothing
  struct Received {
    EntrySums sums;
    uint64_t requests = 0, wire_bytes = 0, waiting = 0;  // waiting: bodies not decoded yet
  };
  Received received() const;
  // Waits until that many lines were decoded, or `patience` seconds passed without any new one.
  bool wait_lines(uint64_t lines, double patience) const;

 private:
  void decode_all();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::string> bodies_;  // under mutex_
  Received received_;               // under mutex_
  bool stopping_ = false;           // under mutex_
  std::atomic<bool> away_{false};
  pipeline::Registry registry_;
  std::unique_ptr<pipeline::Loop> loop_;
  std::unique_ptr<pipeline::HttpServer> server_;  // loop
  uint16_t port_ = 0;
  std::thread loop_thread_, decoder_;
};

}  // namespace bench
