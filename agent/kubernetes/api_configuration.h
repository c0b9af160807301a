// The keys `api`, `kubelet`, `node`, `attach_metadata` of sources that ask the Kubernetes API. Errors go to the
// document of the table.
#pragma once

#include <memory>
#include <optional>

#include "agent/kubernetes/kubernetes_options.h"
#include "pipeline/config/config.h"

namespace agent {

// api = { server, ca_file, token_file } with what a service account has in its pod as defaults; absent: nothing unless
// in a cluster (KUBERNETES_SERVICE_HOST); "none": nothing.
std::optional<ApiEndpoint> read_api(const pipeline::ConfigTable& table);

// Who is asked about the pods of a `kubernetes` source; null: nobody.
std::shared_ptr<const KubernetesOptions> read_pod_api(const pipeline::ConfigTable& table);

}  // namespace agent
