#include "server/ingest/commit_feed.h"

#include <algorithm>

#include "pipeline/base/invariant.h"

namespace server {

void CommitFeed::listen(std::string tenant, CommitListener& listener) {
  std::lock_guard lock(mutex_);
  listeners_[std::move(tenant)].push_back(&listener);
}

void CommitFeed::leave(std::string_view tenant, CommitListener& listener) {
  std::lock_guard lock(mutex_);
  const auto at = listeners_.find(tenant);
  INVARIANT(at != listeners_.end());
  std::erase(at->second, &listener);
  if (at->second.empty()) listeners_.erase(at);
}

void CommitFeed::make_visible(Head& head, PushedEntries entries, const WalFrame& frame) {
  std::lock_guard lock(mutex_);
  const auto at = listeners_.find(frame.tenant);
  if (at == listeners_.end()) return head.add(std::move(entries), frame.tenant, frame.number, frame.batch);
  std::vector<HeadAddition> added;
  head.add(std::move(entries), frame.tenant, frame.number, frame.batch, &added);
  if (added.empty()) return;
  for (CommitListener* listener : at->second) listener->on_entries(frame.number, added);
}

void CommitFeed::tell(const SealedHead& committed, uint64_t frame) {
  std::lock_guard lock(mutex_);
  for (const auto& [tenant, streams] : committed.tenants) {
    const auto at = listeners_.find(tenant);
    if (at == listeners_.end()) continue;
    std::vector<HeadAddition> added;
    for (const HeadStream& stream : streams)
      for (const HeadRun& run : stream.runs) added.push_back({stream.stream, run});
    for (CommitListener* listener : at->second) listener->on_entries(frame, added);
  }
}

}  // namespace server
