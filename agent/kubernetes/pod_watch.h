// PodWatch: keeps a PodStore up to date, by lists and watches of an API server or by asking a kubelet for its pods.
//
// Life:    start(), stop(). Thread: loop. Errors: create(): kInvalid (a TLS file); later none, see Reflector.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/kubernetes/pod_store.h"

namespace agent {

class PodWatch {
 public:
  struct Events {
    std::function<void(const std::vector<PodId>&)> changed;  // see PodStore
    std::function<bool(const PodId&)> has_files;
    std::shared_ptr<PodMemory> memory;  // may be absent
  };
  static pipeline::Result<std::unique_ptr<PodWatch>> create(pipeline::Loop& loop, KubernetesOptions options,
                                                            Events events, pipeline::Registry& metrics);
  ~PodWatch();

  void start();
  void stop();
  const KubernetesOptions& options() const { return options_; }
  const PodMetadata& pods() const { return store_; }
  bool synced() const;          // the pods came at some time, and what is attached to them
  std::string trouble() const;  // "pods: ..."; empty: all goes well

 private:
  PodWatch(pipeline::Loop& loop, KubernetesOptions options, Events events, pipeline::Registry& metrics,
           std::unique_ptr<ApiClient> api);
  void add(std::string what, std::string path, std::string selector, ObjectHandler& handler);
  void tick();
  void on_changed(const std::vector<PodId>& pods);
  void ask_kubelet();
  void on_kubelet(pipeline::Result<pipeline::HttpClientResponse> answer);

  pipeline::Loop& loop_;
  const KubernetesOptions options_;
  const Events events_;
  pipeline::Registry& metrics_;
  std::unique_ptr<ApiClient> api_;
  PodStore store_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;  // pods first; none: a kubelet is asked
  pipeline::Timer tick_, refresh_, save_;
  std::chrono::milliseconds next_sweep_{0}, started_{0};
  pipeline::HttpClient::RequestId request_ = 0;  // of the kubelet
  bool kubelet_synced_ = false;
  std::string kubelet_trouble_;
  pipeline::Counter& kubelet_failures_;
};

}  // namespace agent
