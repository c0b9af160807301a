#include "agent/docker/docker_options.h"

#include <map>

#include "pipeline/base/concat.h"
#include "pipeline/parse/json.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigTable;

namespace {
constexpr std::string_view kHosts =
    "write unix:///var/run/docker.sock, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT";

void read_host(const ConfigTable& table, DockerOptions& options) {
  if (table.has("socket") && table.has("host"))
    table.error_at("socket", "socket and host say the same", "keep one of them");
  std::string socket = table.string("socket"), host = table.string("host", options.host);
  options.tls = {table.table("tls").string("ca_file"), table.table("tls").string("cert_file"),
                 table.table("tls").string("key_file"), table.table("tls").string("server_name")};
  if (!socket.empty()) host = socket.starts_with('/') ? concat("unix://", socket) : socket;
  options.host = host;
  bool secured = table.table("tls").present();
  if (host.starts_with("unix:///")) {
    options.unix_socket = host.substr(7);
    options.base_url = "http://docker";
  } else if (host.starts_with("tcp://")) {
    options.base_url = concat(secured ? "https://" : "http://", host.substr(6));
  } else if (host.starts_with("http://") || host.starts_with("https://")) {
    options.base_url = host;
  } else {
    table.error_at(socket.empty() ? "host" : "socket", concat("\"", host, "\" is no address of a daemon"),
                   std::string(kHosts));
  }
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
}

// {"label":["a=b"],"status":["running"]}
void read_filters(const ConfigTable& table, DockerOptions& options) {
  std::map<std::string, std::vector<std::string>> all;
  for (const ConfigTable& filter : table.tables("filter")) {
    std::string name = filter.required_string("name");
    auto values = filter.strings("values");
    if (values.empty()) filter.error_at("values", "a filter without values", "for example values = [\"app=web\"]");
    for (std::string& value : values) all[name].push_back(std::move(value));
  }
  if (all.empty()) return;
  for (auto& [name, values] : all) {
    options.filters += options.filters.empty() ? "{" : ",";
    pipeline::append_compact_text(options.filters, name);
    options.filters += ":[";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) options.filters += ",";
      pipeline::append_compact_text(options.filters, values[i]);
    }
    options.filters += "]";
  }
  options.filters += "}";
}
}  // namespace

std::shared_ptr<const StreamOptions> read_docker(const ConfigTable& table) {
  auto options = std::make_shared<DockerOptions>();
  read_host(table, *options);
  read_filters(table, *options);
  options->refresh_interval = table.duration("refresh_interval", options->refresh_interval);
  if (options->refresh_interval < std::chrono::seconds(1))
    table.error_at("refresh_interval", "less than a second", "the default is \"1m\": starts are heard of at once");
  options->port = std::to_string(table.integer("port", 80, 1, 65'535));
  options->host_networking_host = table.string("host_networking_host", options->host_networking_host);
  table.boolean("match_first_network", true);  // Promtail's; a log is read once, with the labels of the first network
  options->read_stopped = table.boolean("read_stopped", false);
  if (table.choice("start_at", "beginning", {"beginning", "end"}) == "end") options->start_at = StartAt::kEnd;
  options->max_line_bytes = table.size("max_line_size", kDefaultMaxLineBytes);  // checked with the common keys
  return options;
}

}  // namespace agent
