#include "agent/kubernetes/pod_labels.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

namespace {
constexpr std::string_view kPrefix = "__meta_kubernetes_";

std::string label_name(std::string_view prefix, std::string_view key) {
  std::string name = concat(kPrefix, prefix);
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;  // inside of a character
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    name += kept ? c : '_';
  }
  return name;
}

// kind: "pod", "node" or "namespace".
void add_keys(MetaLabels& out, std::string_view kind, std::string_view what,
              const std::map<std::string, std::string>& all) {
  for (const auto& [key, value] : all) {
    out[label_name(concat(kind, "_", what, "_"), key)] = value;
    out[label_name(concat(kind, "_", what, "present_"), key)] = "true";
  }
}

void add_labels_and_annotations(MetaLabels& out, std::string_view kind, const ObjectMeta& meta) {
  add_keys(out, kind, "label", meta.labels);
  add_keys(out, kind, "annotation", meta.annotations);
}

// "" where `name` has no such ending.
std::string without_ending(const std::string& name, std::string_view ending) {
  return !ending.empty() && name.size() > ending.size() && name.ends_with(ending)
             ? name.substr(0, name.size() - ending.size())
             : std::string();
}

std::string deployment_of(const Pod& pod) {
  if (pod.meta.controller_kind != "ReplicaSet") return {};
  auto hash = pod.meta.labels.find("pod-template-hash");
  return hash == pod.meta.labels.end() ? "" : without_ending(pod.meta.controller_name, concat("-", hash->second));
}

// A CronJob names its Jobs after itself and the minutes since 1970 (until 1.21 the seconds).
std::string cronjob_of(const Pod& pod) {
  if (pod.meta.controller_kind != "Job") return {};
  const std::string& job = pod.meta.controller_name;
  const size_t dash = job.rfind('-');
  if (dash == std::string::npos || dash == 0) return {};
  const std::string_view time = std::string_view(job).substr(dash + 1);
  const bool digits = std::all_of(time.begin(), time.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && (time.size() == 8 || time.size() == 10) ? job.substr(0, dash) : std::string();
}

void add_owners(MetaLabels& out, const Pod& pod, const Attached& attached) {
  auto set = [&](std::string_view name, std::string value) {
    if (!value.empty()) out[concat(kPrefix, name)] = std::move(value);
  };
  if (attached.deployment) set("pod_deployment_name", deployment_of(pod));
  if (attached.job && pod.meta.controller_kind == "Job") set("pod_job_name", pod.meta.controller_name);
  if (attached.cronjob) set("pod_cronjob_name", cronjob_of(pod));
}

std::string with_port(const std::string& host, const std::string& port) {
  return host.find(':') != std::string::npos ? concat("[", host, "]:", port) : concat(host, ":", port);
}

// Whether `value`, of an annotation, is meant for `container`.
bool names_container(const ObjectMeta& meta, const std::string& annotation, std::string_view container) {
  auto found = meta.annotations.find(annotation);
  if (found == meta.annotations.end()) return false;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string_view name = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name == "true" || name == container) return true;
  }
  return false;
}
}  // namespace

MetaLabels pod_labels(const Pod& pod, const Attached& attached) {
  MetaLabels out;
  auto set = [&](std::string_view name, const std::string& value) { out[concat(kPrefix, name)] = value; };
  set("namespace", pod.meta.namespace_name);
  set("pod_name", pod.meta.name);
  set("pod_ip", pod.ip);
  set("pod_uid", pod.meta.uid);
  set("pod_host_ip", pod.host_ip);
  set("pod_node_name", pod.node_name);
  set("pod_phase", pod.phase);
  set("pod_ready", pod.ready);
  if (!pod.meta.controller_kind.empty()) set("pod_controller_kind", pod.meta.controller_kind);
  if (!pod.meta.controller_name.empty()) set("pod_controller_name", pod.meta.controller_name);
  add_labels_and_annotations(out, "pod", pod.meta);
  add_owners(out, pod, attached);
  if (attached.namespace_meta) add_labels_and_annotations(out, "namespace", *attached.namespace_meta);
  if (attached.node) {
    set("node_name", attached.node->name);
    add_labels_and_annotations(out, "node", *attached.node);
  }
  return out;
}

MetaLabels container_labels(const Container& container) {
  return {{concat(kPrefix, "pod_container_name"), container.name},
          {concat(kPrefix, "pod_container_image"), container.image},
          {concat(kPrefix, "pod_container_id"), container.id},
          {concat(kPrefix, "pod_container_init"), container.kind == Container::Kind::kInit ? "true" : "false"}};
}

TargetGroup pod_targets(const Pod& pod, const Attached& attached) {
  TargetGroup group{.source = concat("pod/", pod.meta.namespace_name, "/", pod.meta.name), .labels = {}, .targets = {}};
  if (pod.ip.empty()) return group;
  group.labels = pod_labels(pod, attached);
  for (const Container& container : pod.containers) {
    if (container.kind == Container::Kind::kEphemeral) continue;
    const MetaLabels labels = container_labels(container);
    for (const ContainerPort& port : container.ports) {
      MetaLabels& target = group.targets.emplace_back(labels);
      target["__address__"] = with_port(pod.ip, port.number);
      target[concat(kPrefix, "pod_container_port_name")] = port.name;
      target[concat(kPrefix, "pod_container_port_number")] = port.number;
      target[concat(kPrefix, "pod_container_port_protocol")] = port.protocol;
    }
    if (container.ports.empty()) group.targets.emplace_back(labels)["__address__"] = pod.ip;
  }
  return group;
}

MetaLabels node_labels(const Node& node) {
  constexpr std::string_view kOrder[] = {"InternalIP",  "InternalDNS",  "ExternalIP",
                                         "ExternalDNS", "LegacyHostIP", "Hostname"};
  const std::pair<std::string, std::string>* chosen = nullptr;
  for (std::string_view type : kOrder)
    for (const auto& address : node.addresses)
      if (!chosen && address.first == type) chosen = &address;
  if (!chosen) return {};
  MetaLabels out;
  out["__address__"] = with_port(chosen->second, node.kubelet_port);
  out["instance"] = node.meta.name;
  out[concat(kPrefix, "node_name")] = node.meta.name;
  out[concat(kPrefix, "node_provider_id")] = node.provider_id;
  for (const auto& [type, status] : node.conditions) out[label_name("node_condition_", type)] = status;
  for (const auto& [type, address] : node.addresses) out.emplace(label_name("node_address_", type), address);
  add_labels_and_annotations(out, "node", node.meta);
  return out;
}

std::shared_ptr<const ContainerMetadata> container_metadata(const Pod& pod, const Container& container,
                                                            const MetaLabels& pod_labels) {
  auto out = std::make_shared<ContainerMetadata>();
  std::vector<pipeline::Label> labels;
  for (const MetaLabels& some : {pod_labels, container_labels(container)})
    for (const auto& [name, value] : some)
      if (!value.empty()) labels.emplace_back(name, value);
  out->labels = pipeline::LabelSet::from(std::move(labels));
  out->included = names_container(pod.meta, "skidway.io/include", container.name);
  out->excluded = names_container(pod.meta, "skidway.io/exclude", container.name);
  for (const std::string& key : {std::string("skidway.io/pipeline"), concat("skidway.io/pipeline.", container.name)})
    if (auto found = pod.meta.annotations.find(key); found != pod.meta.annotations.end()) out->pipeline = found->second;
  return out;
}

std::string folder_uid(const Pod& pod) {
  auto hash = pod.meta.annotations.find("kubernetes.io/config.hash");
  return hash != pod.meta.annotations.end() && !hash->second.empty() ? hash->second : pod.meta.uid;
}

}  // namespace agent
