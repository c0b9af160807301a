// PodStore: the pods of this node, and what is attached to them, as last told. It outlives an API that is away.
//
// A pod that was deleted stays known while its log files are there, and for a minute: its last lines are still to be
// read. Until the nodes or namespaces that are to be attached are listed for the first time, no pod is known, unless
// they cannot be listed (attachable(false)): then pods are known without them.
//
// Thread: loop.
// Limits: kDeletedPods deleted pods; more are forgotten with the next sweep.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/discovery/pod_metadata.h"
#include "agent/kubernetes/api_object.h"
#include "agent/kubernetes/kubernetes_options.h"
#include "agent/kubernetes/pod_labels.h"
#include "agent/kubernetes/reflector.h"
#include "pipeline/base/metrics.h"
#include "pipeline/loop/loop.h"

namespace agent {

// What is known, kept for the next run: texts by key. A seam to the checkpoint store.
class PodMemory {
 public:
  virtual ~PodMemory() = default;
  virtual std::map<std::string, std::string> load() = 0;
  virtual void save(const std::string& key, std::string text) = 0;  // an empty text removes it
};

class PodStore final : public PodMetadata {
 public:
  static constexpr size_t kDeletedPods = 20'000;
  static constexpr std::chrono::minutes kDeletedStay{1};

  // `changed`: what find() says of these is another. Called from the handlers' functions.
  PodStore(KubernetesOptions options, std::function<void(const std::vector<PodId>&)> changed,
           pipeline::Registry& metrics);

  std::shared_ptr<const ContainerMetadata> find(const PodId& pod, std::string_view container) const override;

  ObjectHandler& pods() { return pods_handler_; }
  ObjectHandler& nodes() { return nodes_handler_; }
  ObjectHandler& namespaces() { return namespaces_handler_; }
  void give_up_attaching();  // what is not listed yet is not waited for

  // What a former run knew is known at once, until the API says otherwise; save() keeps what has changed.
  void remember(PodMemory& memory);  // once, before anything is told; outlives this
  void save();

  // Deleted pods that nobody needs are forgotten.
  void sweep(std::chrono::milliseconds now, const std::function<bool(const PodId&)>& has_files);
  size_t size() const { return pods_.size(); }

  std::vector<TargetGroup> targets() const;  // of role pod, as Prometheus would have them: for tests

 private:
  struct Known {
    Pod pod;
    uint64_t text_hash = 0;
    uint64_t saved_hash = 0;
    bool deleted = false;
    std::optional<std::chrono::milliseconds> deleted_at = {};  // as seen by the first sweep after it
    mutable std::map<std::string, std::shared_ptr<const ContainerMetadata>, std::less<>> containers = {};  // once asked
  };
  class PodsHandler final : public ObjectHandler {
   public:
    explicit PodsHandler(PodStore& store) : store_(store) {}
    void begin_list() override;
    void add(const pipeline::JsonValue& object) override;
    void end_list() override;
    void changed(const pipeline::JsonValue& object) override;
    void removed(const pipeline::JsonValue& object) override;

   private:
    PodStore& store_;
    std::set<PodId> listed_;
    std::vector<PodId> changed_;
    bool in_list_ = false;
  };
  // Nodes or namespaces, by name.
  class MetaHandler final : public ObjectHandler {
   public:
    MetaHandler(PodStore& store, std::string role) : store_(store), role_(std::move(role)) {}
    void begin_list() override;
    void add(const pipeline::JsonValue& object) override;
    void end_list() override;
    void changed(const pipeline::JsonValue& object) override;
    void removed(const pipeline::JsonValue& object) override;
    const ObjectMeta* find(const std::string& name) const;
    void recall(ObjectMeta meta);
    void save(PodMemory& memory);
    bool listed() const { return listed_; }

   private:
    PodStore& store_;
    const std::string role_;
    std::map<std::string, ObjectMeta> objects_, coming_;
    std::map<std::string, std::string> saved_;
    bool listed_ = false, in_list_ = false;
  };

  bool take(const pipeline::JsonValue& object, PodId& id);  // whether it is another than before
  bool mark_deleted(const PodId& id);
  void attached_changed(const std::string& role, const std::string& name);  // "": any
  Attached attached(const Pod& pod) const;
  bool complete() const;
  void count(std::string_view role, std::string_view event);
  void tell(const std::vector<PodId>& pods);

  const KubernetesOptions options_;
  const std::function<void(const std::vector<PodId>&)> changed_;
  pipeline::Registry& metrics_;
  pipeline::Gauge& pods_gauge_;
  std::map<PodId, Known> pods_;
  std::map<std::string, PodId> by_name_;  // namespace/name; of those that are there
  PodsHandler pods_handler_{*this};
  MetaHandler nodes_handler_{*this, "node"}, namespaces_handler_{*this, "namespace"};
  bool attaching_given_up_ = false;
  PodMemory* memory_ = nullptr;
  std::set<PodId> unsaved_;
};

}  // namespace agent
