#include "server/ingest/syslog_push.h"

#include "pipeline/base/concat.h"
#include "pipeline/codec/otlp_entries.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/model/label_set.h"

namespace server {

using pipeline::concat;
using pipeline::Metadata;
using pipeline::SyslogFault;
using pipeline::SyslogMessage;
using pipeline::UnixNanos;

namespace {

std::string labels_of(const SyslogMessage& message, SyslogFault fault) {
  std::vector<pipeline::Label> labels = {{"job", "syslog"}};
  if (fault == SyslogFault::kNone && !message.hostname.empty()) labels.emplace_back("host", message.hostname);
  if (fault == SyslogFault::kNone && !message.app_name.empty()) labels.emplace_back("app", message.app_name);
  return pipeline::LabelSet::from(std::move(labels)).text();
}

// The texts lie in `texts`, whose elements do not move.
std::vector<Metadata> metadata_of(const SyslogMessage& message, std::deque<std::string>& texts) {
  std::vector<Metadata> out = {{"facility", pipeline::syslog_facility_name(message.facility)},
                               {"severity", pipeline::syslog_severity_name(message.severity)}};
  if (!message.proc_id.empty()) out.push_back({"proc_id", message.proc_id});
  if (!message.msg_id.empty()) out.push_back({"msg_id", message.msg_id});
  for (const pipeline::SyslogParameter& parameter : message.parameters) {
    if (parameter.name.empty()) continue;
    auto name = pipeline::otlp_label_name(concat("sd_", parameter.element, "_", parameter.name));
    if (!name) continue;
    std::string& kept = texts.emplace_back(*std::move(name));
    std::string& value = texts.emplace_back();
    pipeline::append_unescaped(value, parameter.value);
    out.push_back({kept, value});
  }
  return out;
}

}  // namespace

bool SyslogPush::add(std::string_view text, UnixNanos now) {
  static const pipeline::TimeZone kUtc = pipeline::TimeZone::utc();
  SyslogFault fault = parse_syslog(text, pipeline::SyslogFormat::kAuto, now, kUtc, message_);
  pipeline::ByteBuffer& stream = streams_[labels_of(message_, fault)];
  const size_t before = stream.view().size();
  if (fault == SyslogFault::kNone) {
    std::deque<std::string> texts;
    append_push_entry(stream, message_.time.value_or(now), message_.text, metadata_of(message_, texts));
  } else {
    const Metadata why[] = {{"syslog_fault", pipeline::syslog_fault_name(fault)}};
    append_push_entry(stream, now, text, why);
  }
  bytes_ += stream.view().size() - before;
  return fault == SyslogFault::kNone;
}

std::string SyslogPush::take() {
  pipeline::PushBody body;
  for (const auto& [labels, entries] : streams_) body.add_stream(labels, entries.view());
  auto fragments = body.fragments();
  std::string out = pipeline::snappy_compress(fragments);
  streams_.clear();
  bytes_ = 0;
  return out;
}

}  // namespace server
