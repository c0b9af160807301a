#include "agent/pod_watches.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

namespace {
// Among the cursors, under a name that no source has.
class StoredPods final : public PodMemory {
 public:
  StoredPods(CheckpointStore& store, std::string name) : store_(store), name_(std::move(name)) {}
  std::map<std::string, std::string> load() override { return store_.cursors(name_); }
  void save(const std::string& key, std::string text) override { store_.save_cursor(name_, key, std::move(text)); }

 private:
  CheckpointStore& store_;
  const std::string name_;
};
}  // namespace

const PodMetadata* PodWatches::find(const SourceOptions& source) {
  if (!source.kubernetes) return nullptr;
  for (const auto& watch : watches_)
    if (watch->options() == *source.kubernetes) return &watch->pods();
  PodWatch::Events events;
  events.changed = [this](const std::vector<PodId>& pods) {
    if (discovery_) discovery_->pods_changed(pods);
  };
  events.has_files = [this](const PodId& pod) { return discovery_ && discovery_->has_files(pod); };
  const KubernetesOptions& asked = *source.kubernetes;
  if (store_)
    events.memory =
        std::make_shared<StoredPods>(*store_, pipeline::concat("\tpods ", asked.api.server, " ", asked.node));
  auto watch = PodWatch::create(loop_, *source.kubernetes, std::move(events), metrics_);
  if (!watch) {
    pipeline::log_error("kubernetes api cannot be asked, labels come from paths",
                        {{"source", source.name}, {"error", watch.error()}});
    return nullptr;
  }
  (*watch)->start();
  return &watches_.emplace_back(*std::move(watch))->pods();
}

void PodWatches::keep(const std::vector<std::shared_ptr<const SourceOptions>>& sources) {
  std::erase_if(watches_, [&](const auto& watch) {
    return std::none_of(sources.begin(), sources.end(), [&](const auto& source) {
      return source && source->kubernetes && *source->kubernetes == watch->options();
    });
  });
}

void PodWatches::stop() {
  for (auto& watch : watches_) watch->stop();
}

bool PodWatches::synced() const {
  return std::all_of(watches_.begin(), watches_.end(), [](const auto& watch) { return watch->synced(); });
}

std::vector<std::string> PodWatches::troubles() const {
  std::vector<std::string> all;
  for (const auto& watch : watches_)
    if (std::string trouble = watch->trouble(); !trouble.empty()) all.push_back(std::move(trouble));
  return all;
}

}  // namespace agent
