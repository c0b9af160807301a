#include "server/erase/erasures.h"

#include <algorithm>

#include "pipeline/base/log.h"
#include "server/logql/page_conditions.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;

Result<DeleteRule> compile_delete(const DeleteRequest& request) {
  auto expr = parse_query(request.query);
  if (!expr || expr->log() == nullptr) return fail(Errc::kInvalid, "invalid query expression");
  const LogExpr& log = *expr->log();
  DeleteRule rule{request.number, request.begin, request.end, compile_selector(log.selector), nullptr, {}};
  if (log.stages.empty()) return rule;
  auto pipeline = LogPipeline::compile(log.stages);
  if (!pipeline) return fail(Errc::kInvalid, "invalid query expression");
  rule.pipeline = std::make_unique<const LogPipeline>(*std::move(pipeline));
  rule.conditions = page_conditions(log.stages, *rule.pipeline);
  return rule;
}

TenantErasures::TenantErasures(std::vector<DeleteRule> deletes, std::shared_ptr<const RetentionRules> retention,
                               UnixNanos now)
    : deletes_(std::move(deletes)), retention_(std::move(retention)), now_(now) {}

UnixNanos TenantErasures::cutoff_of(std::chrono::nanoseconds period) const {
  if (period.count() == 0) return kNoTime;
  return now_ < kNoTime + period.count() ? kNoTime : now_ - period.count();
}

UnixNanos TenantErasures::cutoff(const LabelSet& labels) const {
  if (retention_ == nullptr) return kNoTime;
  return by_stream() ? cutoff_of(retention_->period_of(labels)) : oldest();
}

Erasures::Erasures(std::vector<DeleteRequest> deletes, uint64_t through, RetentionSource retention, UnixNanos now)
    : deletes_([&] {
        std::erase_if(deletes, [&](const DeleteRequest& request) { return request.number > through; });
        return std::move(deletes);
      }()),
      retention_(std::move(retention)),
      now_(now) {}

std::shared_ptr<const TenantErasures> Erasures::of(std::string_view tenant) const {
  std::lock_guard lock(mutex_);
  auto found = tenants_.find(tenant);
  if (found != tenants_.end()) return found->second;
  std::vector<DeleteRule> rules;
  for (const DeleteRequest& request : deletes_) {
    if (request.tenant != tenant) continue;
    auto rule = compile_delete(request);
    if (rule) {
      rules.push_back(*std::move(rule));
    } else {
      pipeline::log_error("a request to delete cannot be read", {{"request", request.id}, {"error", rule.error()}});
    }
  }
  auto made = std::make_shared<const TenantErasures>(std::move(rules), retention_ ? retention_(tenant) : nullptr, now_);
  return tenants_.emplace(std::string(tenant), std::move(made)).first->second;
}

struct Eraser::Running {
  explicit Running(const DeleteRule& of) : rule(of) {
    if (rule.pipeline) run.emplace(*rule.pipeline, labels);
  }
  const DeleteRule& rule;
  LabelResults labels;
  std::optional<PipelineRun> run;
};

Eraser::Eraser(std::shared_ptr<const TenantErasures> erasures, uint64_t deletes_applied)
    : erasures_(std::move(erasures)), deletes_applied_(deletes_applied) {
  for (const DeleteRule& rule : erasures_->deletes()) {
    if (rule.number > deletes_applied_) running_.push_back(std::make_unique<Running>(rule));
  }
}
Eraser::~Eraser() = default;
Eraser::Eraser(Eraser&&) noexcept = default;

void Eraser::begin_stream(const LabelSet& labels) {
  cutoff_ = erasures_->cutoff(labels);
  active_.clear();
  for (const auto& running : running_) {
    if (!pipeline::matches_all(running->rule.matchers, labels)) continue;
    if (running->run) running->run->begin_stream(labels);
    active_.push_back(running.get());
  }
}

bool Eraser::touches(UnixNanos min, UnixNanos max) const {
  if (min < cutoff_) return true;
  return std::any_of(active_.begin(), active_.end(),
                     [&](const Running* r) { return r->rule.begin <= max && min < r->rule.end; });
}

bool Eraser::takes_all(UnixNanos min, UnixNanos max) const {
  if (max < cutoff_) return true;
  return std::any_of(active_.begin(), active_.end(),
                     [&](const Running* r) { return !r->run && r->rule.begin <= min && max < r->rule.end; });
}

bool Eraser::needs_lines() const {
  return std::any_of(active_.begin(), active_.end(), [](const Running* r) { return r->run.has_value(); });
}

bool Eraser::erases(const EntrySlice& entries, size_t row) {
  const UnixNanos time = entries.time(row);
  for (Running* running : active_) {
    if (time < running->rule.begin || time >= running->rule.end) continue;
    if (running->run && !running->run->process(time, entries.line(row), entries.metadata(row))) continue;
    erased_by_ = running->rule.number;
    return true;
  }
  erased_by_ = 0;
  return time < cutoff_;
}

}  // namespace server
