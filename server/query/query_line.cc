#include "server/query/query_line.h"

#include <algorithm>

namespace server {

TenantShare& QueryLine::tenant(const std::string& name) {
  auto found = tenants_.find(name);
  if (found != tenants_.end()) return found->second;
  const int64_t least = least_tenant();
  TenantShare& share = tenants_[name];
  share.had_ns = least;
  return share;
}

void QueryLine::leave_tenant(const std::string& name) {
  auto found = tenants_.find(name);
  if (found != tenants_.end() && found->second.running == 0 && found->second.waiting == 0) tenants_.erase(found);
}

void QueryLine::begin(QueryShare& query) {
  TenantShare& tenant = *query.tenant;
  if (tenant.running == 0) tenant.had_ns = std::max(tenant.had_ns, least_tenant());  // it may have waited long
  bool alone = true;
  for (const QueryShare* other : queries_) {
    if (other->tenant != query.tenant) continue;
    query.had_ns = alone ? other->had_ns : std::min(query.had_ns, other->had_ns);
    alone = false;
  }
  queries_.push_back(&query);
  ++tenant.running;
}

void QueryLine::end(QueryShare& query) {
  std::erase(queries_, &query);
  --query.tenant->running;
}

void QueryLine::charge(QueryShare& query, int64_t ns) {
  query.used_ns += ns, query.had_ns += ns;
  query.tenant->had_ns += ns;
}

void QueryLine::leave(const void* who) {
  std::erase_if(waiters_, [who](const Waiter& waiter) { return waiter.who == who; });
}

void* QueryLine::next() {
  if (waiters_.empty()) return nullptr;
  if (++grants_ % kLongestEvery == 0) return waiters_.front().who;
  return best()->who;
}

void* QueryLine::next_beginner() const {
  const Waiter* waiter = best();  // a beginner goes before whoever is none
  return waiter != nullptr && is_beginner(*waiter->query) ? waiter->who : nullptr;
}

bool QueryLine::has_fresh() const {
  const Waiter* waiter = best();  // who is fresh goes before whoever is not
  return waiter != nullptr && fresh(*waiter->query);
}

bool QueryLine::stays_beginner(const QueryShare& running) const {
  if (!is_beginner(running)) return false;
  const Waiter* waiter = best();
  if (waiter == nullptr || !is_beginner(*waiter->query)) return true;
  return running.used_ns <= waiter->query->used_ns + kFreshQuantumNs;
}

bool QueryLine::should_yield(const QueryShare& running) const {
  const Waiter* waiter = best();
  if (waiter == nullptr) return false;
  const QueryShare& other = *waiter->query;
  const bool mine = fresh(running), theirs = fresh(other);
  if (mine != theirs) return theirs;
  if (mine) return running.used_ns > other.used_ns + kFreshQuantumNs;
  if (running.tenant != other.tenant) return running.tenant->had_ns > other.tenant->had_ns + kQuantumNs;
  return running.had_ns > other.had_ns + kQuantumNs;
}

bool QueryLine::fresh(const QueryShare& query) const {
  return query.used_ns < kFreshNs && query.tenant->had_ns <= least_tenant() + kFreshAheadNs;
}

bool QueryLine::goes_before(const QueryShare& a, const QueryShare& b) const {
  const bool fresh_a = fresh(a), fresh_b = fresh(b);
  if (fresh_a != fresh_b) return fresh_a;
  if (fresh_a) return a.used_ns < b.used_ns;
  if (a.tenant != b.tenant) return a.tenant->had_ns < b.tenant->had_ns;
  return a.had_ns < b.had_ns;
}

const QueryLine::Waiter* QueryLine::best() const {
  const Waiter* best = nullptr;
  for (const Waiter& waiter : waiters_) {
    if (best == nullptr || goes_before(*waiter.query, *best->query)) best = &waiter;
  }
  return best;
}

int64_t QueryLine::least_tenant() const {
  int64_t least = 0;
  bool any = false;
  for (const auto& [name, share] : tenants_) {
    if (share.running == 0) continue;
    if (!any || share.had_ns < least) least = share.had_ns;
    any = true;
  }
  return least;
}

}  // namespace server
