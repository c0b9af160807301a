#include "agent/stream_shares.h"

#include <algorithm>
#include <utility>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"

namespace agent {

bool is_same_share(const SourceOptions& a, const SourceOptions& b) {
  return a.name == b.name && (!a.can_be_read_again || a.sinks == b.sinks);
}

namespace {
const SourceOptions* find(const std::vector<Share>& running, const SourceOptions& share) {
  for (const Share& one : running)
    if (is_same_share(*one, share)) return one.get();
  return nullptr;
}

// None is counted as the source yet.
bool is_first(const SourceOptions& source, const std::vector<Share>& running) {
  return std::none_of(running.begin(), running.end(), [&](const Share& one) { return one->name == source.name; });
}
}  // namespace

std::vector<Share> shares_of(const Share& source, const std::vector<std::string>& sink_names,
                             const std::vector<Share>& running) {
  if (!source->can_be_read_again || source->sinks.empty()) return {source};
  std::vector<std::shared_ptr<SourceOptions>> shares, fresh;
  std::vector<std::shared_ptr<const pipeline::StageList>> unused = source->more_stages;
  unused.insert(unused.begin(), source->stages);
  bool first = is_first(*source, running);
  for (size_t sink : source->sinks) {
    auto share = shares.emplace_back(std::make_shared<SourceOptions>(*source));
    share->sinks = {sink};
    share->more_stages.clear();
    const SourceOptions* before = find(running, *share);
    if (before)
      share->counted_as = before->counted_as;
    else if (!std::exchange(first, false))
      share->counted_as = pipeline::concat(source->name, " (", sink_names[sink], ")");
    if (before && before->stages_text == share->stages_text) {
      share->stages = before->stages;
      std::erase(unused, share->stages);
    } else {
      fresh.push_back(share);
    }
  }
  INVARIANT(unused.size() >= fresh.size());  // as many as sinks, and no share has two
  for (size_t i = 0; i < fresh.size(); i++) fresh[i]->stages = unused[i];
  return {shares.begin(), shares.end()};
}

}  // namespace agent
