// TcpListener, TcpStream: TCP on the loop, with backpressure. Streams of a unix socket (local_listener.h) are the same.
//
// Life:    a stream is closed by close() or its destructor; both may happen inside its own callbacks. close() may be
//          called twice. Callbacks never come after it, except that each write's `done` is always called exactly once
//          (kCancelled for what close() cut off).
// Thread:  loop.
// Limits:  bytes are read through one buffer of 256 KiB per loop: what a callback wants to keep it copies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/loop/loop.h"

namespace pipeline {

class TcpStream {
 public:
  using OnBytes = UniqueFunction<void(std::string_view)>;  // the view dies with the call
  using OnEnd = UniqueFunction<void(Result<void>)>;        // the peer sent its last byte (value), or the error (reset)

  ~TcpStream();
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  void start_reading(OnBytes on_bytes, OnEnd on_end);  // once
  void pause_reading();
  void resume_reading();
  // Before the end: hands on, inside the call, what the system holds now, at most about `limit_bytes`; paused or not.
  void drain(size_t limit_bytes);

  // Takes the pieces over and sends them with one writev. `done` is called, never inside write(), when the system has
  // taken all of them. Writes keep their order.
  void write(std::vector<std::string> pieces, UniqueFunction<void(Result<void>)> done);
  uint64_t unsent_bytes() const;  // written and not yet taken by the system: stop producing when this grows

  void finish();  // says "no more bytes" to the peer after the writes so far
  void close();   // at once; unsent bytes are lost

  const std::string& peer() const;  // "127.0.0.1:4711", "[::1]:4711"; of a unix socket "unix:/run/x.sock"

  struct State;
  explicit TcpStream(State* state);  // made by a listener

 private:
  State* state_;
};

class TcpListener {
 public:
  using OnStream = UniqueFunction<void(std::unique_ptr<TcpStream>)>;

  // `address` is HOST:PORT, [V6]:PORT or :PORT (every address); HOST is a number or localhost; port 0 takes any.
  // Errors: kInvalid (malformed address), kUnavailable (in use, not ours, not permitted).
  static Result<std::unique_ptr<TcpListener>> listen(Loop& loop, std::string_view address, OnStream on_stream);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  uint16_t port() const;
  const std::string& address() const;  // as bound: "127.0.0.1:34567"
  void close();

  struct State;

 private:
  explicit TcpListener(State* state);
  State* state_;
};

}  // namespace pipeline
