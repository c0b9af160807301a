#include "agent/syslog/syslog_entries.h"

#include <utility>

namespace agent {

using pipeline::concat;
using pipeline::Label;
using pipeline::SyslogFault;
using pipeline::SyslogParameter;

namespace {

void add_label(std::vector<Label>& labels, std::string_view name, std::string_view value) {
  if (!value.empty()) labels.emplace_back(name, value);
}

// `exampleSDID@32473`, `iut`: __syslog_message_sd_exampleSDID_32473_iut
std::string parameter_label(const SyslogParameter& parameter) {
  std::string name = concat("__syslog_message_sd_", parameter.element, "_", parameter.name);
  for (char& c : name) {
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fine) c = '_';
  }
  return name;
}

}  // namespace

SyslogEntries::SyslogEntries(const SyslogOptions& options, std::string source, const pipeline::Clock& clock,
                             SyslogMetrics& metrics)
    : options_(options), source_(std::move(source)), clock_(clock), metrics_(metrics) {}

void SyslogEntries::begin(uint64_t lane) {
  parcel_ = {};
  parcel_.lane = lane;
  known_.clear();
}

Parcel SyslogEntries::take() { return std::exchange(parcel_, {}); }

void SyslogEntries::add(std::string_view text, const SyslogPeer& peer) {
  if (options_.raw) return add_raw(text, peer);
  SyslogFault fault = pipeline::parse_syslog(text, options_.format, clock_.wall(), options_.time_zone, message_);
  if (fault != SyslogFault::kNone) {
    metrics_.add_fault(pipeline::syslog_fault_name(fault));
    if (auto held = faults_.allow())
      pipeline::log_warn("syslog message not understood", {{"source", source_},
                                                           {"peer", peer.ip},
                                                           {"wrong", pipeline::syslog_fault_name(fault)},
                                                           {"bytes", text.size()},
                                                           {"held_back", *held}});
    return;
  }
  if (message_.text.empty() && !options_.allow_empty_message) {
    metrics_.empty.add();
    metrics_.promtail_empty.add();
    return;
  }
  bool timed =
      options_.use_incoming_timestamp && message_.time && (message_.is_rfc5424 || options_.use_times_without_year);
  line_.clear();
  if (options_.use_rfc5424_message) append_rfc5424(line_, message_);
  parcel_.add(labels_of(peer), timed ? *message_.time : 0, options_.use_rfc5424_message ? line_ : message_.text);
  metrics_.entries.add();
  metrics_.promtail_entries.add();
}

void SyslogEntries::add_raw(std::string_view line, const SyslogPeer& peer) {
  message_.parameters.clear();
  message_.hostname = message_.app_name = message_.proc_id = message_.msg_id = message_.counter =
      message_.sequence = {};
  parcel_.add(labels_of(peer), 0, line);
  metrics_.entries.add();
  metrics_.promtail_entries.add();
}

size_t SyslogEntries::labels_of(const SyslogPeer& peer) {
  key_.clear();
  key_ += static_cast<char>(message_.facility);
  key_ += static_cast<char>(message_.severity);
  for (std::string_view field :
       {std::string_view(peer.ip), std::string_view(peer.hostname), message_.hostname, message_.app_name,
        message_.proc_id, message_.msg_id, message_.counter, message_.sequence}) {
    key_ += field;
    key_ += ' ';  // no field has one
  }
  if (options_.label_structured_data) {
    for (const SyslogParameter& p : message_.parameters) {
      for (std::string_view part : {p.element, p.name, p.value}) {
        key_ += part;
        key_ += '"';  // none has one, but for one that a backslash announces
      }
    }
  }
  auto [known, fresh] = known_.try_emplace(key_, 0);
  if (fresh) known->second = parcel_.add_labels(make_labels(peer));
  return known->second;
}

pipeline::LabelSet SyslogEntries::make_labels(const SyslogPeer& peer) const {
  std::vector<Label> labels;
  add_label(labels, "__syslog_connection_ip_address", peer.ip);
  add_label(labels, "__syslog_connection_hostname", peer.hostname);
  if (options_.raw) return pipeline::LabelSet::from(std::move(labels));
  add_label(labels, "__syslog_message_severity", pipeline::syslog_severity_name(message_.severity));
  add_label(labels, "__syslog_message_facility", pipeline::syslog_facility_name(message_.facility));
  add_label(labels, "__syslog_message_hostname", message_.hostname);
  add_label(labels, "__syslog_message_app_name", message_.app_name);
  add_label(labels, "__syslog_message_proc_id", message_.proc_id);
  add_label(labels, "__syslog_message_msg_id", message_.msg_id);
  add_label(labels, "__syslog_message_msg_counter", message_.counter);
  add_label(labels, "__syslog_message_sequence", message_.sequence);
  if (options_.label_structured_data) {
    for (const SyslogParameter& parameter : message_.parameters) {
      if (parameter.name.empty()) continue;
      std::string value;
      pipeline::append_unescaped(value, parameter.value);
      add_label(labels, parameter_label(parameter), value);
    }
  }
  return pipeline::LabelSet::from(std::move(labels));
}

}  // namespace agent
