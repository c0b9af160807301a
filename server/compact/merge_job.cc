#include "server/compact/merge_job.h"

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::log_warn;
using pipeline::pass_failpoint;

namespace {

class JobWatch final : public MergeWatch {
 public:
  JobWatch(const MergeDoors& doors, uint64_t job, CpuShare& share)
      : doors_(doors), job_(job), share_(share), renewed_(doors.clock.monotonic()) {}

  Result<void> on_output(const Ulid& object, const std::string& key) override {
    TRY(doors_.catalog.plan_output(job_, {object, key}));
    return failpoint("job.output_planned");
  }

  Result<void> on_progress() override {
    share_.breathe(doors_.cancelled);
    const auto now = doors_.clock.monotonic();
    if (now - renewed_ < doors_.lease.length / 3) return {};
    renewed_ = now;
    return doors_.catalog.renew_job(job_, doors_.lease);
  }

 private:
  const MergeDoors& doors_;
  const uint64_t job_;
  CpuShare& share_;
  std::chrono::nanoseconds renewed_;
};

std::vector<Ulid> ids_of(std::span<const ObjectRow> rows) {
  std::vector<Ulid> ids;
  for (const ObjectRow& row : rows) ids.push_back(row.summary.object);
  return ids;
}

// Without a swap. What cannot be done now is done by the garbage collector.
void give_up(const MergeDoors& doors, uint64_t job, std::span<const ObjectRow> outputs) {
  for (const ObjectRow& row : outputs) (void)doors.store.remove(row.key);
  if (auto ended = doors.catalog.end_job(job); !ended)
    log_warn("a job could not be ended; its lease will run out", {{"job", job}, {"error", ended.error()}});
}

}  // namespace

Result<MergeOutcome> run_merge_job(const MergeDoors& doors, const MergeJob& job, CpuShare& share,
                                   std::vector<UnreadableObject> unreadable) {
  const std::vector<Ulid> inputs = ids_of(job.inputs);
  TRY_LET(uint64_t number, doors.catalog.claim_job(inputs, doors.lease));
  pass_failpoint("job.claimed");
  share.begin();
  JobWatch watch(doors, number, share);
  auto outcome =
      merge_objects(doors.store, doors.catalog.cluster(), doors.ulids, job, doors.options, doors.cancelled, watch);
  if (!outcome) {
    give_up(doors, number, {});
    return outcome;
  }
  SwapDetails details{number, outcome->erased};
  if (outcome->unreadable > 0) details.unreadable = std::move(unreadable);
  auto swapped = failpoint("job.before_swap");
  if (swapped) swapped = doors.catalog.swap(inputs, outcome->outputs, details);
  if (swapped) swapped = failpoint("job.after_swap");
  if (swapped) return outcome;
  // kInvalid: certainly not swapped. Otherwise nobody knows yet: the garbage collector asks the catalogue.
  const bool surely = swapped.error().code == Errc::kInvalid;
  give_up(doors, number, surely ? std::span<const ObjectRow>(outcome->outputs) : std::span<const ObjectRow>());
  return fail(swapped.error());
}

}  // namespace server
