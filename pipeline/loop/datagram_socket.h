// DatagramSocket: receives datagrams, over UDP or at a unix socket, with backpressure: while it is paused they wait in
// the kernel's buffer, and what finds no room there is counted (SO_RXQ_OVFL; senders to a unix socket wait instead).
//
// Life:    callbacks end with close(), which may be called inside one.
// Thread:  loop; lost() any.
// Limits:  a datagram is cut at Options::max_bytes. receive_buffer_bytes is what is asked for: the system gives at most
//          net.core.rmem_max, unless the program has CAP_NET_ADMIN.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/loop/fd_watcher.h"
#include "pipeline/loop/local_socket.h"
#include "pipeline/loop/loop.h"

namespace pipeline {

struct Datagram {
  std::string_view bytes;   // dies with the call
  std::string_view sender;  // IP address, "192.0.2.1" or "2001:db8::1"; empty at a unix socket. Dies with the call
  uint64_t cut_bytes = 0;   // of it that did not fit
};

class DatagramSocket {
 public:
  struct Options {
    size_t max_bytes = 8192;
    size_t receive_buffer_bytes = 8 << 20;
  };
  // What one wake-up found, at most 64 and 1 MiB; never empty.
  using OnDatagrams = UniqueFunction<void(const std::vector<Datagram>&)>;

  // `address` as for TcpListener::listen(). Errors: kInvalid (malformed), kUnavailable (in use, not permitted).
  static Result<std::unique_ptr<DatagramSocket>> open_udp(Loop& loop, std::string_view address, Options options,
                                                          OnDatagrams on_datagrams);
  static Result<std::unique_ptr<DatagramSocket>> open_local(Loop& loop, LocalAddress address, Options options,
                                                            OnDatagrams on_datagrams);
  ~DatagramSocket();
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  void pause();
  void resume();
  void drain();  // hands on, inside the call, what waits in the kernel now, paused or not
  void close();

  const std::string& address() const;   // as bound: "127.0.0.1:34567"; of a unix socket its path
  size_t receive_buffer_bytes() const;  // what the system gave
  uint64_t lost() const;                // Thread: any. Datagrams that found no room in the kernel's buffer

  class Impl;

 private:
  explicit DatagramSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
