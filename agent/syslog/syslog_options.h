// SyslogOptions: the keys of a [[source]] of type "syslog" (agent/syslog/README.md; agent.md 4.2).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/source/source_options.h"
#include "pipeline/config/config.h"
#include "pipeline/parse/syslog.h"
#include "pipeline/parse/time_zone.h"

namespace agent {

struct SyslogListen {
  enum class Kind : uint8_t { kTcp, kTls, kUdp, kLocalStream, kLocalDatagrams };
  Kind kind = Kind::kTcp;
  std::string address;  // HOST:PORT, or the path of a unix socket
  std::string text;     // as configured
};

struct SyslogOptions final : StreamOptions {
  std::vector<SyslogListen> listens;
  pipeline::SyslogFormat format = pipeline::SyslogFormat::kAuto;
  bool raw = false;            // lines as they are, no message
  bool nul_delimited = false;  // raw: NUL instead of LF
  bool label_structured_data = false;
  bool use_incoming_timestamp = false;
  bool use_rfc5424_message = false;
  bool allow_empty_message = false;
  bool use_times_without_year = true;
  bool resolve_hostnames = true;
  pipeline::TimeZone time_zone = pipeline::TimeZone::utc();
  size_t max_message_bytes = 8192;
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(120);
  size_t max_connections = 4096;
  size_t receive_buffer_bytes = 8 << 20;
  uint32_t socket_mode = 0666;
  std::string cert_file, key_file, client_ca_file;  // PEM

  std::string place() const override;
};

// Errors go to the document of the table.
std::shared_ptr<const StreamOptions> read_syslog(const pipeline::ConfigTable& table);

}  // namespace agent
