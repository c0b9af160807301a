// SyslogPush: a push made of syslog messages.
//
//   labels    job="syslog", host, app: of the message, where it has them
//   metadata  facility, severity (so detected_level), proc_id, msg_id; of structured data sd_ELEMENT_NAME
//   line      the text of the message;  time: of the message (RFC 3164 names no zone: UTC), else now
//
// What is no message is an entry all the same: the bytes as the line, and metadata syslog_fault="priority".
//
// Thread: one owner.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/clock.h"
#include "pipeline/parse/syslog.h"

namespace server {

class SyslogPush {
 public:
  // False: it was no message, and is kept as it came.
  bool add(std::string_view message, pipeline::UnixNanos now);
  bool empty() const { return streams_.empty(); }
  size_t size_bytes() const { return bytes_; }
  // The body of a push of Loki's (protobuf in a snappy block); empty afterwards.
  std::string take();

 private:
  pipeline::SyslogMessage message_;
  std::map<std::string, pipeline::ByteBuffer> streams_;  // by their labels
  size_t bytes_ = 0;
};

}  // namespace server
