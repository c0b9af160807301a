// PodMetadata: what the API server or the kubelet says about containers, for discovery. A seam: agent/kubernetes has
// the real ones.
//
// Thread: loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"

namespace agent {

// A pod as its log folder names it: <namespace>_<name>_<uid>. For static pods the uid is the hash of their
// configuration.
struct PodId {
  std::string namespace_name, name, uid;
  auto operator<=>(const PodId&) const = default;
};

struct ContainerMetadata {
  pipeline::LabelSet labels;  // __meta_kubernetes_*, without those of ports
  bool included = false;      // annotation skidway.io/include
  bool excluded = false;      // annotation skidway.io/exclude
  std::string pipeline;       // annotation skidway.io/pipeline; empty: none
};

class PodMetadata {
 public:
  virtual ~PodMetadata() = default;
  // Null: not known, or not yet.
  virtual std::shared_ptr<const ContainerMetadata> find(const PodId& pod, std::string_view container) const = 0;
};

}  // namespace agent
