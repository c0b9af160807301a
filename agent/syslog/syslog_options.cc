#include "agent/syslog/syslog_options.h"

#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/loop/listen_address.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigTable;

namespace {
constexpr uint64_t kSmallestMessage = 480, kLargestMessage = 1 << 20;  // RFC 5424: receivers take at least 480
constexpr uint64_t kLargestBuffer = 1 << 30;
constexpr std::string_view kForms =
    "write tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:///PATH (stream) or unixgram:///PATH (datagrams)";

struct Scheme {
  std::string_view prefix;
  SyslogListen::Kind kind;
};
constexpr Scheme kSchemes[] = {{"tcp://", SyslogListen::Kind::kTcp},
                               {"tls://", SyslogListen::Kind::kTls},
                               {"udp://", SyslogListen::Kind::kUdp},
                               {"unix://", SyslogListen::Kind::kLocalStream},
                               {"unixgram://", SyslogListen::Kind::kLocalDatagrams}};

bool is_local(SyslogListen::Kind kind) {
  return kind == SyslogListen::Kind::kLocalStream || kind == SyslogListen::Kind::kLocalDatagrams;
}

void read_listen(const ConfigTable& table, const std::string& text, SyslogOptions& options) {
  for (const Scheme& scheme : kSchemes) {
    if (!text.starts_with(scheme.prefix)) continue;
    SyslogListen listen{scheme.kind, text.substr(scheme.prefix.size()), text};
    if (is_local(scheme.kind)) {
      if (!listen.address.starts_with('/'))
        table.error_at("listen", concat("\"", text, "\" has no absolute path"), std::string(kForms));
    } else if (auto address = pipeline::split_listen_address(listen.address); !address) {
      table.error_at("listen", address.error().message, std::string(kForms));
    }
    options.listens.push_back(std::move(listen));
    return;
  }
  table.error_at("listen", concat("\"", text, "\" names no way to listen"), std::string(kForms));
}

void read_format(const ConfigTable& table, SyslogOptions& options) {
  std::string format = table.choice("syslog_format", "auto", {"auto", "rfc5424", "rfc3164", "raw"});
  if (format == "rfc5424") options.format = pipeline::SyslogFormat::kRfc5424;
  if (format == "rfc3164") options.format = pipeline::SyslogFormat::kRfc3164;
  options.raw = format == "raw";
  options.nul_delimited = table.table("raw_format_options").boolean("use_null_terminator_delimiter", false);
  if (options.nul_delimited && !options.raw)
    table.error_at("raw_format_options", "these options are for raw lines", "add syslog_format = \"raw\"");
}

void read_time_zone(const ConfigTable& table, SyslogOptions& options) {
  auto zone = pipeline::TimeZone::load(table.string("time_zone", "UTC"));
  if (zone) {
    options.time_zone = *zone;
  } else {
    table.error_at("time_zone", zone.error().message, "for example time_zone = \"Europe/Berlin\", or \"Local\"");
  }
}

void read_tls(const ConfigTable& table, SyslogOptions& options) {
  ConfigTable tls = table.table("tls");
  options.cert_file = tls.string("cert_file");
  options.key_file = tls.string("key_file");
  options.client_ca_file = tls.string("client_ca_file");
  bool needed = false;
  for (const SyslogListen& listen : options.listens) needed = needed || listen.kind == SyslogListen::Kind::kTls;
  if (needed && (options.cert_file.empty() || options.key_file.empty()))
    table.error_at("tls", "certificate and key must be configured",
                   "add tls = { cert_file = \"server.pem\", key_file = \"server.key\" }");
  if (!needed && tls.present())
    table.error_at("tls", "no address of listen is tls://", "write listen = \"tls://HOST:PORT\", or remove tls");
}

void read_socket_mode(const ConfigTable& table, SyslogOptions& options) {
  std::string text = table.string("socket_mode", "0666");
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.socket_mode, 8);
  if (error != std::errc{} || end != text.data() + text.size() || options.socket_mode > 0777)
    table.error_at("socket_mode", concat("\"", text, "\" is no mode of a file"), "for example socket_mode = \"0660\"");
}

size_t read_size(const ConfigTable& table, std::string_view key, uint64_t otherwise, uint64_t least, uint64_t most) {
  uint64_t bytes = table.size(key, otherwise);
  if (bytes < least || bytes > most)
    table.error_at(key, concat(bytes, " bytes is not between ", least, " and ", most),
                   concat("the default is ", otherwise));
  return bytes;
}
}  // namespace

std::string SyslogOptions::place() const {
  std::string out;
  for (const SyslogListen& listen : listens) out += concat(out.empty() ? "" : " ", listen.text);
  return out;
}

std::shared_ptr<const StreamOptions> read_syslog(const ConfigTable& table) {
  auto options = std::make_shared<SyslogOptions>();
  for (const std::string& text : table.strings("listen")) read_listen(table, text, *options);
  if (table.strings("listen").empty()) table.error_at("listen", "no address to listen at", std::string(kForms));
  read_format(table, *options);
  read_time_zone(table, *options);
  read_tls(table, *options);
  read_socket_mode(table, *options);
  for (std::string_view part : {"enable_all", "message_counter", "sequence_number", "hostname", "second_fractions"})
    table.table("rfc3164_cisco_components").boolean(part, true);  // Alloy's: we see by the text what there is
  options->label_structured_data = table.boolean("label_structured_data", false);
  options->use_incoming_timestamp = table.boolean("use_incoming_timestamp", false);
  options->use_rfc5424_message = table.boolean("use_rfc5424_message", false);
  options->allow_empty_message = table.boolean("rfc5424_allow_empty_msg", false);
  options->use_times_without_year = table.boolean("rfc3164_default_to_current_year", true);
  options->resolve_hostnames = table.boolean("resolve_hostnames", true);
  options->max_message_bytes = read_size(table, "max_message_length", 8192, kSmallestMessage, kLargestMessage);
  options->receive_buffer_bytes = read_size(table, "receive_buffer", 8 << 20, 4096, kLargestBuffer);
  options->idle_timeout = table.duration("idle_timeout", options->idle_timeout);
  options->max_connections =
      static_cast<size_t>(table.integer("max_connections", static_cast<int64_t>(options->max_connections), 1, 100'000));
  return options;
}

}  // namespace agent
