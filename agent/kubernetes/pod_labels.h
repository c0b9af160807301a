// The labels that Prometheus' Kubernetes discovery makes of pods and nodes (agent.md 1.6), name by name.
//
// Thread: any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/pod_metadata.h"
#include "agent/kubernetes/api_object.h"

namespace agent {

using MetaLabels = std::map<std::string, std::string>;  // with their empty values

// What is attached to a pod's labels, each where not null.
struct Attached {
  const ObjectMeta* node = nullptr;
  const ObjectMeta* namespace_meta = nullptr;
  bool deployment = false, job = false, cronjob = false;
};

// Of the pod itself. Names of owners come from the names that the controllers give (a ReplicaSet's is its Deployment's
// with the pod's template hash, a CronJob's Job has the time behind its name): nobody is asked.
MetaLabels pod_labels(const Pod& pod, const Attached& attached);
// Of one container, without those of ports.
MetaLabels container_labels(const Container& container);

// A target of role pod: a container's port, or a container without ports.
struct TargetGroup {
  std::string source;  // pod/<namespace>/<name>
  MetaLabels labels;
  std::vector<MetaLabels> targets;  // empty: the pod has no IP
};
TargetGroup pod_targets(const Pod& pod, const Attached& attached);

// Of role node; empty where the node has no address.
MetaLabels node_labels(const Node& node);

// What discovery is told of one container: the labels above, and the annotations that are ours:
//   skidway.io/include, skidway.io/exclude = "true" (every container) or names of containers with commas
//   skidway.io/pipeline = NAME; skidway.io/pipeline.CONTAINER = NAME goes before it
std::shared_ptr<const ContainerMetadata> container_metadata(const Pod& pod, const Container& container,
                                                            const MetaLabels& pod_labels);

// The uid in the name of the pod's log folder: of a static pod the hash of its configuration.
std::string folder_uid(const Pod& pod);

}  // namespace agent
