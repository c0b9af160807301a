#include "server/catalog/job_table.h"

namespace server {

using pipeline::Blob;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Statement;
using pipeline::Step;

namespace {

constexpr int64_t kNoJob = -1;         // numbers begin with 1
constexpr int64_t kLeftByIngest = -2;  // another than kNoJob, which is what a program says that knows better

int64_t end_of(const LeaseTerms& lease, UnixNanos now) { return now + std::chrono::nanoseconds(lease.length).count(); }

Result<Ulid> take_id(const Statement& row) {
  auto id = Ulid::from_bytes(row.blob(0));
  if (!id) return fail(Errc::kCorrupt, "the catalogue holds a job with an object without an id");
  return *id;
}

}  // namespace

template <class... Values>
Result<void> JobTable::run(std::string_view sql, const Values&... values) {
  TRY_LET(Statement statement, db_.prepare(sql));
  return statement.run(values...);
}

Result<void> JobTable::end_expired(UnixNanos now) {
  TRY(run("DELETE FROM job_input WHERE job IN (SELECT number FROM job WHERE until <= ?1)", now));
  return run("DELETE FROM job WHERE until <= ?1", now);
}

Result<void> JobTable::end_all() {
  TRY(run("DELETE FROM job_input"));
  TRY(run("DELETE FROM lease"));
  TRY(run("UPDATE job_output SET job = ?2 WHERE job = ?1", kIngestJob, kLeftByIngest));
  return run("DELETE FROM job");
}

Result<uint64_t> JobTable::claim(std::span<const Ulid> inputs, const LeaseTerms& lease, UnixNanos now) {
  TRY(end_expired(now));
  TRY_LET(Statement job, db_.prepare("INSERT INTO job (owner, until) VALUES (?1, ?2) RETURNING number"));
  TRY(job.bind_all(lease.owner, end_of(lease, now)));
  TRY_LET(Step step, job.step());
  if (step != Step::kRow) return fail(Errc::kIo, "claim a job: no number");
  auto number = static_cast<uint64_t>(job.integer(0));
  TRY_LET(step, job.step());
  TRY_LET(Statement taken, db_.prepare("SELECT job FROM job_input WHERE object = ?1"));
  TRY_LET(Statement insert, db_.prepare("INSERT INTO job_input VALUES (?1, ?2)"));
  for (const Ulid& input : inputs) {
    std::string id = input.bytes();
    TRY(taken.bind_all(Blob{id}));
    TRY_LET(step, taken.step());
    if (step == Step::kRow)
      return fail(Errc::kUnavailable, concat("object ", input.text(), " is an input of job ", taken.integer(0)));
    TRY(insert.run(Blob{id}, number));
  }
  return number;
}

Result<void> JobTable::check(uint64_t job) {
  TRY_LET(Statement row, db_.prepare("SELECT 1 FROM job WHERE number = ?1"));
  TRY(row.bind_all(job));
  TRY_LET(Step step, row.step());
  if (step == Step::kRow) return {};
  return fail(Errc::kInvalid, concat("job ", job, ": its lease ran out, and others may have its objects"));
}

Result<void> JobTable::renew(uint64_t job, const LeaseTerms& lease, UnixNanos now) {
  TRY(check(job));
  return run("UPDATE job SET until = ?2 WHERE number = ?1", job, end_of(lease, now));
}

Result<void> JobTable::plan_output(uint64_t job, const DeadObject& output) {
  if (job != kIngestJob) TRY(check(job));
  return run("INSERT INTO job_output VALUES (?1, ?2, ?3)", Blob{output.object.bytes()}, output.key, job);
}

Result<void> JobTable::end(uint64_t job) {
  TRY(run("DELETE FROM job_input WHERE job = ?1", job));
  return run("DELETE FROM job WHERE number = ?1", job);
}

Result<void> JobTable::abandon_output(const Ulid& object) {
  return run("UPDATE job_output SET job = ?2 WHERE object = ?1", Blob{object.bytes()}, kNoJob);
}

Result<void> JobTable::forget_output(const Ulid& object) {
  return run("DELETE FROM job_output WHERE object = ?1", Blob{object.bytes()});
}

Result<bool> JobTable::plans(const Ulid& object) {
  TRY_LET(Statement row, db_.prepare("SELECT 1 FROM job_output WHERE object = ?1"));
  std::string id = object.bytes();
  TRY(row.bind_all(Blob{id}));
  TRY_LET(Step step, row.step());
  return step == Step::kRow;
}

Result<std::vector<AbandonedOutput>> JobTable::abandoned_outputs() {
  TRY_LET(Statement rows, db_.prepare("SELECT object, key, job FROM job_output WHERE job != ?1 AND "
                                      "job NOT IN (SELECT number FROM job) AND object NOT IN (SELECT id FROM object)"));
  TRY(rows.bind_all(kIngestJob));
  std::vector<AbandonedOutput> out;
  for (;;) {
    TRY_LET(Step step, rows.step());
    if (step == Step::kDone) return out;
    TRY_LET(Ulid id, take_id(rows));
    out.push_back({id, std::string(rows.text(1)), rows.integer(2) == kLeftByIngest});
  }
}

Result<std::vector<Ulid>> JobTable::claimed(UnixNanos now) {
  TRY_LET(Statement rows, db_.prepare("SELECT object FROM job_input JOIN job ON job.number = job_input.job "
                                      "WHERE until > ?1 ORDER BY object"));
  TRY(rows.bind_all(now));
  std::vector<Ulid> out;
  for (;;) {
    TRY_LET(Step step, rows.step());
    if (step == Step::kDone) return out;
    TRY_LET(Ulid id, take_id(rows));
    out.push_back(id);
  }
}

Result<uint64_t> JobTable::take_lease(std::string_view name, const LeaseTerms& lease, UnixNanos now) {
  TRY_LET(Statement take,
          db_.prepare("INSERT INTO lease VALUES (?1, ?2, 1, ?3) ON CONFLICT (name) DO UPDATE SET "
                      "fence = CASE WHEN lease.owner = excluded.owner THEN lease.fence ELSE lease.fence + 1 END, "
                      "owner = excluded.owner, until = excluded.until "
                      "WHERE lease.owner = excluded.owner OR lease.until <= ?4 RETURNING fence"));
  TRY(take.bind_all(name, lease.owner, end_of(lease, now), now));
  TRY_LET(Step step, take.step());
  if (step != Step::kRow) return fail(Errc::kUnavailable, concat("lease ", name, ": another has it"));
  auto fence = static_cast<uint64_t>(take.integer(0));
  TRY_LET(step, take.step());
  return fence;
}

}  // namespace server
