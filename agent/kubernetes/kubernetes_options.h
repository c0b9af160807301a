// KubernetesOptions: who is asked about the pods of a `kubernetes` source. Sources with equal options share the
// answers.
#pragma once

#include <chrono>
#include <string>

namespace agent {

// A server of the Kubernetes API, or a kubelet.
struct ApiEndpoint {
  std::string server;      // https://10.0.0.1:443
  std::string ca_file;     // empty: the system's authorities
  std::string token_file;  // empty: no token. Read again each minute and after a 401
  bool verify = true;      // the server's certificate
  bool operator==(const ApiEndpoint&) const = default;
};

struct KubernetesOptions {
  ApiEndpoint api;
  bool kubelet = false;  // `api` is a kubelet: GET /pods every `refresh`
  std::chrono::milliseconds refresh{5'000};
  std::string node;  // only pods of this node; empty: of all (a kubelet knows only its own)
  bool attach_node = false, attach_namespace = false;
  bool attach_deployment = false, attach_job = false, attach_cronjob = false;
  bool operator==(const KubernetesOptions&) const = default;
};

}  // namespace agent
