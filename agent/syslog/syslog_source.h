// SyslogSource: listens for syslog over TCP, TLS, UDP and at unix sockets, and hands messages to the stream reader.
//
// Nothing waits without a bound: when the reader is full, connections are read no further (TCP pushes back), datagrams
// wait in the socket's buffer (grown; what finds no room there is counted). What was received when the source stops is
// delivered. Syslog has no acknowledgement: what the kernel or the agent holds when the agent is killed is gone.
#pragma once

#include <memory>

#include "agent/stream/stream_source.h"

namespace agent {

std::unique_ptr<StreamSource> make_syslog(const StreamParts& parts);

}  // namespace agent
