// SyslogEntries: makes the entries of a parcel out of messages.
//
// Labels: `__syslog_connection_*` and `__syslog_message_*` as Promtail's and Alloy's (agent.md 4.2). Thread: loop.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/stream/parcel.h"
#include "agent/syslog/syslog_metrics.h"
#include "agent/syslog/syslog_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

namespace agent {

// Of a connection, or of the sender of a datagram; empty at unix sockets.
struct SyslogPeer {
  std::string ip, hostname;
};

class SyslogEntries {
 public:
  SyslogEntries(const SyslogOptions& options, std::string source, const pipeline::Clock& clock, SyslogMetrics& metrics);

  // Of one parcel: begin(), add() for each message, take().
  void begin(uint64_t lane);
  void add(std::string_view message, const SyslogPeer& peer);
  Parcel take();

 private:
  void add_raw(std::string_view line, const SyslogPeer& peer);
  size_t labels_of(const SyslogPeer& peer);
  pipeline::LabelSet make_labels(const SyslogPeer& peer) const;

  const SyslogOptions& options_;
  const std::string source_;
  const pipeline::Clock& clock_;
  SyslogMetrics& metrics_;
  pipeline::LogLimiter faults_;
  pipeline::SyslogMessage message_;
  Parcel parcel_;
  std::string key_, line_;                         // scratch
  std::unordered_map<std::string, size_t> known_;  // label sets of the parcel by the fields they are made of
};

}  // namespace agent
