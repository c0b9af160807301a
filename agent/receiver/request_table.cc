#include "agent/receiver/request_table.h"

namespace agent {

RequestTable::Seen RequestTable::look(const pipeline::Hash128& identity, RequestPtr& found) const {
  if (settled_.count(identity) != 0) return Seen::kSettled;
  auto at = by_identity_.find(identity);
  if (at == by_identity_.end()) return Seen::kNew;
  found = at->second;
  return Seen::kUnderway;
}

void RequestTable::begin(const RequestPtr& request) {
  underway_.insert(request);
  if (request->identity) by_identity_[*request->identity] = request;
}

void RequestTable::end(const RequestPtr& request, bool settled) {
  underway_.erase(request);
  if (!request->identity) return;
  by_identity_.erase(*request->identity);
  if (!settled || !request->numbered) return;
  if (!settled_.insert(*request->identity).second) return;
  settled_order_.push_back(*request->identity);
  if (settled_order_.size() <= kRemembered) return;
  settled_.erase(settled_order_.front());
  settled_order_.pop_front();
}

}  // namespace agent
