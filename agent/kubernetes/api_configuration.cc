#include "agent/kubernetes/api_configuration.h"

#include <cstdlib>
#include <unistd.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigKind;
using pipeline::ConfigTable;

namespace {
constexpr const char* kAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount/";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string account_file(const std::string& name) {
  const std::string path = kAccountFolder + name;
  return ::access(path.c_str(), R_OK) == 0 ? path : "";
}

// "" outside of a cluster.
std::string cluster_server() {
  const std::string host = environment("KUBERNETES_SERVICE_HOST"), port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) return "";
  return host.find(':') == std::string::npos ? concat("https://", host, ":", port)
                                             : concat("https://[", host, "]:", port);
}

void check_server(const ConfigTable& table, const std::string& server) {
  if (!server.starts_with("https://") && !server.starts_with("http://"))
    table.error_at("server", concat("\"", server, "\" is no address of a server"), "for example https://10.0.0.1:6443");
}

ApiEndpoint read_endpoint(const ConfigTable& table, const std::string& server) {
  ApiEndpoint endpoint;
  endpoint.server = table.string("server", server);
  endpoint.ca_file = table.string("ca_file", account_file("ca.crt"));
  endpoint.token_file = table.string("token_file", account_file("token"));
  endpoint.verify = !table.boolean("insecure_skip_verify", false);
  return endpoint;
}

// As Promtail: the host's name, which a pod has from its node where NODE_NAME or HOSTNAME is set from spec.nodeName.
std::string own_node() {
  for (const char* name : {"NODE_NAME", "HOSTNAME"})
    if (std::string node = environment(name); !node.empty()) return node;
  char host[256] = "";
  return ::gethostname(host, sizeof(host) - 1) == 0 ? host : "";
}

std::string read_node(const ConfigTable& table) {
  std::string node = table.string("node");
  if (!table.has("node")) node = own_node();
  if (node.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != std::string::npos)
    table.error_at("node", concat("\"", node, "\" is no name of a node"), "letters, digits, - and .");
  return node;
}
}  // namespace

std::optional<ApiEndpoint> read_api(const ConfigTable& table) {
  const std::string server = cluster_server();
  if (table.kind("api") != ConfigKind::kTable) {
    if (table.has("api")) table.choice("api", "none", {"none"});
    if (table.has("api") || server.empty()) return std::nullopt;
    ApiEndpoint endpoint{.server = server, .ca_file = account_file("ca.crt"), .token_file = account_file("token")};
    return endpoint;
  }
  const ConfigTable api = table.table("api");
  ApiEndpoint endpoint = read_endpoint(api, server);
  if (endpoint.server.empty()) {
    api.error_at("server", "no server, and KUBERNETES_SERVICE_HOST is not set",
                 "for example server = \"https://10.0.0.1:6443\"");
  } else {
    check_server(api, endpoint.server);
  }
  return endpoint;
}

std::shared_ptr<const KubernetesOptions> read_pod_api(const ConfigTable& table) {
  KubernetesOptions out;
  const ConfigTable attach = table.table("attach_metadata");
  out.attach_node = attach.boolean("node", false);
  out.attach_namespace = attach.boolean("namespace", false);
  out.attach_deployment = attach.boolean("deployment", false);
  out.attach_job = attach.boolean("job", false);
  out.attach_cronjob = attach.boolean("cronjob", false);
  const bool has_kubelet = table.has("kubelet");
  if (has_kubelet) {
    const ConfigTable kubelet = table.table("kubelet");
    out.kubelet = true;
    out.api = read_endpoint(kubelet, "https://localhost:10250");
    check_server(kubelet, out.api.server);
    out.refresh = std::chrono::duration_cast<std::chrono::milliseconds>(kubelet.duration("refresh", out.refresh));
    if (out.refresh < std::chrono::milliseconds(100))
      kubelet.error_at("refresh", "less than 100ms", "the default is \"5s\"");
    if (table.has("api") && table.kind("api") == ConfigKind::kTable) {
      table.table("api").ignore_rest();
      table.error_at("kubelet", "both kubelet and api are to be asked about pods", "keep one of them");
    } else if (table.has("api")) {
      table.choice("api", "none", {"none"});
    }
    for (std::string_view key : {"node", "namespace"})
      if (attach.boolean(key, false))
        attach.error_at(key, concat("a kubelet does not know about attach_metadata.", key), "use api, or false");
  } else if (auto api = read_api(table)) {
    out.api = *std::move(api);
    out.node = read_node(table);
  } else {
    for (std::string_view key : {"node", "namespace"})
      if (table.has("api") && attach.boolean(key, false))
        attach.error_at(key, concat("attach_metadata.", key, " without an API to ask"), "remove it, or api = \"none\"");
    return nullptr;
  }
  return std::make_shared<const KubernetesOptions>(std::move(out));
}

}  // namespace agent
