// The inside of QueryScheduler: who waits for a slot and who is next. No threads and no clock in here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace server {

// What a tenant's queries have had, as far as it matters for the order: it begins with the least of the others.
struct TenantShare {
  int64_t had_ns = 0;
  size_t running = 0, waiting = 0;  // queries begun, not begun
};

struct QueryShare {
  TenantShare* tenant = nullptr;
  int64_t used_ns = 0;  // in truth
  int64_t had_ns = 0;   // for the order among the tenant's queries: it begins with the least of the others
};

class QueryLine {
 public:
  static constexpr int64_t kFreshNs = 50'000'000;       // so much a query gets before others
  static constexpr int64_t kFreshAheadNs = 20'000'000;  // unless its tenant has had that much more than another
  static constexpr int64_t kQuantumNs = 4'000'000;      // so much more before a slot is handed on
  static constexpr int64_t kFreshQuantumNs = 1'000'000;
  static constexpr uint64_t kLongestEvery = 16;      // grants
  static constexpr int64_t kBeginnerNs = 3'000'000;  // a query that has had less is a beginner

  // --- tenants and queries
  TenantShare& tenant(const std::string& name);  // stays while it has queries
  void leave_tenant(const std::string& name);    // forgets it if it has none
  void begin(QueryShare& query);
  void end(QueryShare& query);
  void charge(QueryShare& query, int64_t ns);

  // --- who waits; any pointer, compared only
  struct Waiter {
    void* who;
    const QueryShare* query;
  };
  void join(Waiter waiter) { waiters_.push_back(waiter); }
  void leave(const void* who);
  size_t size() const { return waiters_.size(); }
  const std::vector<Waiter>& waiters() const { return waiters_; }  // longest first

  // Who goes next; nullptr: nobody waits. It is not removed.
  void* next();
  // The beginner that goes next; nullptr: none waits.
  void* next_beginner() const;
  bool is_beginner(const QueryShare& query) const { return query.used_ns < kBeginnerNs && fresh(query); }
  bool has_fresh() const;  // among those who wait
  // May a beginner keep its slot of those for beginners?
  bool stays_beginner(const QueryShare& running) const;
  // Should `running` hand its slot to who is next?
  bool should_yield(const QueryShare& running) const;

 private:
  bool fresh(const QueryShare& query) const;
  bool goes_before(const QueryShare& a, const QueryShare& b) const;
  const Waiter* best() const;
  int64_t least_tenant() const;

  std::map<std::string, TenantShare> tenants_;
  std::vector<QueryShare*> queries_;  // begun
  std::vector<Waiter> waiters_;
  uint64_t grants_ = 0;
};

}  // namespace server
