// Target: one file that could be read, what is known about it, and what became of it.
#pragma once

#include <optional>
#include <string>

#include "agent/discovery/path_rules.h"
#include "agent/discovery/pod_metadata.h"
#include "agent/source/source_options.h"
#include "pipeline/model/label_set.h"

namespace agent {

struct Target {
  std::string source;
  std::string path;
  pipeline::LabelSet discovered = {};  // __path__, __meta_kubernetes_*
  pipeline::LabelSet labels = {};      // final; empty where dropped
  std::string state = {};              // "active", "rotated", "waiting" (for metadata), "dropped", "failed"
  std::string reason = {};             // of waiting, dropped and failed, otherwise empty
};

// The labels of one path under `options`: discovery labels, default labels, relabel rules, `labels` of the source,
// names starting with __ removed. state is "active", or "dropped" with the reason.
// `metadata`: of the container, where known. `begun`: the source reads the file already, so what pipeline the pod
// chooses comes too late for it.
Target make_target(const SourceOptions& options, const std::string& path, const ContainerMetadata* metadata = nullptr,
                   bool begun = false);

// The pod and the container whose log `path` is.
struct ContainerName {
  PodId pod;
  std::string container;
};
std::optional<ContainerName> container_of(const SourceOptions& options, const std::string& path);

// For standard input: default labels job="stdin" and hostname, as Promtail.
Target make_stdin_target(const SourceOptions& options);

}  // namespace agent
