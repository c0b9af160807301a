// SyslogListener: takes syslog over TCP (RFC 6587: octet counting, or lines) and pushes what comes.
//
// Syslog knows no answers: a connection is not read while its last messages are not durable yet, so a sender fills its
// own queue while this server cannot store. Messages that were read are pushed again until they are stored; a stop of
// the server loses those of the last push of each connection, if that fails.
//
// Life:    stop(), then the pushes on their way are answered (by Ingest::stop()), then its end.
// Thread:  loop.
// Limits:  Options::max_message_bytes, longer ones are cut; Options::max_connections, beyond they are closed.
// Errors:  listen(): kInvalid, kUnavailable: the address.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/tcp.h"
#include "pipeline/loop/timer.h"

namespace server {

struct SyslogOptions {
  std::string listen = {};      // "127.0.0.1:1514"; "": no syslog
  std::string tenant = "fake";  // whose entries these are
  size_t max_message_bytes = 64 << 10;
  size_t max_connections = 1000;
};

class SyslogListener {
 public:
  // Stores the body of a push of Loki's in protobuf; the responder is answered as such a push is, from any thread.
  using Push = std::function<void(pipeline::HttpRequest request, pipeline::HttpResponder responder)>;

  static pipeline::Result<std::unique_ptr<SyslogListener>> listen(pipeline::Loop& loop, const pipeline::Clock& clock,
                                                                  pipeline::Registry& registry, SyslogOptions options,
                                                                  Push push);
  ~SyslogListener();  // stop()

  const std::string& address() const { return listener_->address(); }
  void stop();  // closes all connections; what came whole is pushed

 private:
  class Connection;
  SyslogListener(pipeline::Loop& loop, const pipeline::Clock& clock, pipeline::Registry& registry,
                 SyslogOptions options, Push push);
  void accept(std::unique_ptr<pipeline::TcpStream> stream);
  void look();  // messages behind which nothing came; connections that ended

  pipeline::Loop& loop_;
  const pipeline::Clock& clock_;
  const SyslogOptions options_;
  const Push push_;
  pipeline::Counter& messages_;
  pipeline::Counter& faults_;
  pipeline::Counter& retries_;
  pipeline::Gauge& connections_now_;
  pipeline::Timer timer_;
  std::unique_ptr<pipeline::TcpListener> listener_;
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;
  uint64_t next_id_ = 0;
};

}  // namespace server
