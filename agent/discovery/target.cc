#include "agent/discovery/target.h"

#include <algorithm>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "agent/discovery/path_rules.h"
#include "agent/source/path_text.h"
#include "pipeline/base/concat.h"
#include "pipeline/match/relabel.h"

namespace agent {

using pipeline::concat;
using pipeline::Label;
using pipeline::LabelSet;
using Labels = std::map<std::string, std::string>;

namespace {
LabelSet to_set(const Labels& labels) {
  std::vector<Label> all;
  for (const auto& [name, value] : labels) {
    if (!value.empty()) all.emplace_back(name, value);
  }
  return LabelSet::from(std::move(all));
}

// Relabels, takes away what is reserved and adds the source's own labels.
void complete(Target& target, const SourceOptions& options, const Labels& labels) {
  LabelSet kept = to_set(labels);
  if (options.relabel) {
    auto relabelled = options.relabel->apply(kept);
    if (!relabelled) {
      target.state = "dropped";
      target.reason = "dropped by relabelling";
      return;
    }
    kept = *std::move(relabelled);
  }
  std::vector<Label> all = pipeline::strip_reserved(kept).labels();
  for (const auto& label : options.labels) all.push_back(label);
  target.labels = LabelSet::from(std::move(all));
  target.state = "active";
  if (target.labels.empty()) {
    target.state = "dropped";
    target.reason = "no label is left; a stream needs one";
  }
}

void add_pod_labels(Labels& labels, const SourceOptions& options, const PodLogPath& log) {
  const std::pair<const char*, std::string_view> parts[] = {{"namespace", log.namespace_name},
                                                            {"pod", log.pod_name},
                                                            {"uid", log.pod_uid},
                                                            {"container", log.container_name}};
  for (const auto& [name, value] : parts) labels[name] = value;
  labels["__meta_kubernetes_namespace"] = log.namespace_name;
  labels["__meta_kubernetes_pod_name"] = log.pod_name;
  labels["__meta_kubernetes_pod_uid"] = log.pod_uid;
  labels["__meta_kubernetes_pod_container_name"] = log.container_name;
  if (!options.node.empty()) labels["__meta_kubernetes_pod_node_name"] = options.node;
}

// Why the annotations of its pod keep a container from a source; empty: they do not.
std::string refusal(const PodChoice& choice, const ContainerMetadata* metadata, bool begun) {
  const bool known = metadata != nullptr;
  if (known && metadata->excluded) return "the pod's annotation skidway.io/exclude says so";
  if (choice.annotated_only && !(known && metadata->included))
    return known ? "the pod has no annotation skidway.io/include" : "nothing is known of its pod";
  if (begun) return {};
  const std::string_view wanted = known ? std::string_view(metadata->pipeline) : std::string_view();
  if (!choice.pipeline.empty() && wanted != choice.pipeline)
    return concat("the pod's annotation skidway.io/pipeline does not say \"", choice.pipeline, "\"");
  const auto& others = choice.other_pipelines;
  if (choice.pipeline.empty() && std::find(others.begin(), others.end(), wanted) != others.end())
    return concat("the pod's annotation skidway.io/pipeline says \"", wanted, "\", which another source has");
  return {};
}

Labels reserved_only(const Labels& labels) {
  Labels reserved;
  for (const auto& [name, value] : labels) {
    if (name.starts_with("__")) reserved.emplace(name, value);
  }
  return reserved;
}
}  // namespace

std::optional<ContainerName> container_of(const SourceOptions& options, const std::string& path) {
  if (options.type != SourceType::kKubernetes) return std::nullopt;
  for (const std::string& root : options.paths) {
    auto log = PodLogPath::parse(pipeline::clean_path(root), path);
    if (!log) continue;
    return ContainerName{{std::string(log->namespace_name), std::string(log->pod_name), std::string(log->pod_uid)},
                         std::string(log->container_name)};
  }
  return std::nullopt;
}

Target make_target(const SourceOptions& options, const std::string& path, const ContainerMetadata* metadata,
                   bool begun) {
  Target target{.source = options.name, .path = path};
  Labels labels;
  labels["__path__"] = path_text(path);
  if (options.type == SourceType::kKubernetes) {
    for (const std::string& root : options.paths) {
      auto log = PodLogPath::parse(pipeline::clean_path(root), path);
      if (log) add_pod_labels(labels, options, *log);
    }
    if (metadata)
      for (const auto& [name, value] : metadata->labels.labels()) labels[name] = value;
  } else {
    labels["filename"] = path_text(path);
  }
  target.discovered = to_set(reserved_only(labels));
  if (std::string reason = refusal(options.pods, metadata, begun); !reason.empty()) {
    target.state = "dropped";
    target.reason = std::move(reason);
    return target;
  }
  complete(target, options, labels);
  return target;
}

Target make_stdin_target(const SourceOptions& options) {
  Target target{.source = options.name, .path = "stdin"};
  char host[256] = "";
  if (::gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  Labels labels;
  labels["job"] = "stdin";
  if (host[0] != '\0') labels["hostname"] = host;
  target.discovered = to_set(labels);
  complete(target, options, labels);
  return target;
}

}  // namespace agent
