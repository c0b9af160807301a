#include "agent/pod_watches.h"

#include <algorithm>

#include "pipeline/base/log.h"

namespace agent {

const PodMetadata* PodWatches::find(const SourceOptions& source) {
  if (!source.kubernetes) return nullptr;
  for (const auto& watch : watches_)
    if (watch->options() == *source.kubernetes) return &watch->pods();
  PodWatch::Events events;
  events.changed = [this](const std::vector<PodId>& pods) {
    if (discovery_) discovery_->pods_changed(pods);
  };
  events.has_files = [this](const PodId& pod) { return discovery_ && discovery_->has_files(pod); };
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
