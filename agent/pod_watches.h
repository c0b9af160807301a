// PodWatches: who is asked about pods, for all `kubernetes` sources: one PodWatch for each different KubernetesOptions.
//
// Life:    outlives the discovery that it tells. Thread: loop.
#pragma once

#include <memory>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/discovery/discovery.h"
#include "agent/kubernetes/pod_watch.h"

namespace agent {

class PodWatches {
 public:
  // `store`: keeps what is known of pods for the next run; may be null.
  PodWatches(pipeline::Loop& loop, CheckpointStore* store, pipeline::Registry& metrics)
      : loop_(loop), store_(store), metrics_(metrics) {}

  void tell(Discovery* discovery) { discovery_ = discovery; }  // of changes; null: nobody

  // Starts to ask, where nobody does yet. Null: the source has nobody to ask.
  const PodMetadata* find(const SourceOptions& source);
  void keep(const std::vector<std::shared_ptr<const SourceOptions>>& sources);  // others are stopped and forgotten
  void stop();

  bool synced() const;
  std::vector<std::string> troubles() const;

 private:
  pipeline::Loop& loop_;
  CheckpointStore* const store_;
  pipeline::Registry& metrics_;
  Discovery* discovery_ = nullptr;
  std::vector<std::unique_ptr<PodWatch>> watches_;
};

}  // namespace agent
