// Erasures: what exists no more at one moment, tenant by tenant; Eraser: the same, entry by entry of one object.
//
//   Eraser eraser(erasures.of(tenant), object.deletes_applied);
//   for each stream of the object:            eraser.begin_stream(labels)
//     for each run that eraser.touches():     for each row: if (eraser.erases(entries, row)) leave it out
//
// Life:    Erasures keeps what it was made from; an Eraser keeps its tenant's part alive.
// Thread:  Erasures, TenantErasures: any. Eraser: one at a time.
// Errors:  a request whose query cannot be read erases nothing: it was checked when it was accepted.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/erase/retention_rules.h"
#include "server/logql/log_pipeline.h"
#include "server/store/columns.h"
#include "server/store/page_condition.h"

namespace server {

// A request to delete, compiled.
struct DeleteRule {
  uint64_t number = 0;
  UnixNanos begin = 0, end = 0;
  std::vector<pipeline::Matcher> matchers;
  std::unique_ptr<const LogPipeline> pipeline;  // null: everything of the streams
  std::vector<PageCondition> conditions{};      // of pages that hold such an entry
};

// kInvalid `invalid query expression`: not a log query. `parse_query`'s own text says more.
pipeline::Result<DeleteRule> compile_delete(const DeleteRequest& request);

inline constexpr UnixNanos kNoTime = std::numeric_limits<UnixNanos>::min();

class TenantErasures {
 public:
  TenantErasures(std::vector<DeleteRule> deletes, std::shared_ptr<const RetentionRules> retention, UnixNanos now);

  bool empty() const { return deletes_.empty() && (retention_ == nullptr || retention_->shortest().count() == 0); }
  const std::vector<DeleteRule>& deletes() const { return deletes_; }
  // Entries of the stream before this time are past their retention; kNoTime: none.
  UnixNanos cutoff(const pipeline::LabelSet& labels) const;
  // The same for every stream alike, whatever its labels.
  UnixNanos oldest() const { return retention_ == nullptr ? kNoTime : cutoff_of(retention_->longest()); }
  // For the stream that is kept for the shortest time.
  UnixNanos newest() const { return retention_ == nullptr ? kNoTime : cutoff_of(retention_->shortest()); }
  bool by_stream() const { return retention_ != nullptr && retention_->by_stream(); }
  std::chrono::nanoseconds period_of(const pipeline::LabelSet& labels) const {
    return retention_ == nullptr ? std::chrono::nanoseconds(0) : retention_->period_of(labels);
  }

 private:
  UnixNanos cutoff_of(std::chrono::nanoseconds period) const;

  const std::vector<DeleteRule> deletes_;  // by number
  const std::shared_ptr<const RetentionRules> retention_;
  const UnixNanos now_;
};

// The rules of a tenant; may be null. Thread: any.
using RetentionSource = std::function<std::shared_ptr<const RetentionRules>(std::string_view tenant)>;

class Erasures {
 public:
  // Requests with numbers up to `through` only.
  Erasures(std::vector<DeleteRequest> deletes, uint64_t through, RetentionSource retention, UnixNanos now);

  std::shared_ptr<const TenantErasures> of(std::string_view tenant) const;

 private:
  const std::vector<DeleteRequest> deletes_;
  const RetentionSource retention_;
  const UnixNanos now_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const TenantErasures>, std::less<>> tenants_;  // under mutex_
};

class Eraser {
 public:
  // Of entries in an object; `deletes_applied`: the object's. Entries of the head: UINT64_MAX.
  Eraser(std::shared_ptr<const TenantErasures> erasures, uint64_t deletes_applied);
  ~Eraser();
  Eraser(Eraser&&) noexcept;

  // What follows is of this stream; `labels` stay valid until the next call.
  void begin_stream(const pipeline::LabelSet& labels);
  UnixNanos cutoff() const { return cutoff_; }
  // False: no entry of the stream in [min, max] is gone.
  bool touches(UnixNanos min, UnixNanos max) const;
  // True: all of them are, whatever they say.
  bool takes_all(UnixNanos min, UnixNanos max) const;
  // Needs the text and the metadata of the row where needs_lines().
  bool erases(const EntrySlice& entries, size_t row);
  bool needs_lines() const;
  // The request that erased the last row; 0: retention.
  uint64_t erased_by() const { return erased_by_; }

 private:
  struct Running;  // a request of this stream
  std::shared_ptr<const TenantErasures> erasures_;
  const uint64_t deletes_applied_;
  std::vector<std::unique_ptr<Running>> running_;  // by request, made once
  std::vector<Running*> active_;                   // those of the stream
  UnixNanos cutoff_ = kNoTime;
  uint64_t erased_by_ = 0;
};

}  // namespace server
