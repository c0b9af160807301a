#include "server/catalog/delete_table.h"

#include <algorithm>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Statement;
using pipeline::Step;

Result<uint64_t> DeleteTable::add(const DeleteRequest& request) {
  TRY_LET(uint64_t last, last_number());
  const uint64_t number = request.number == 0 ? last + 1 : request.number;
  TRY_LET(Statement insert, db_.prepare("INSERT INTO delete_request VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  TRY(insert.run(number, request.id, request.tenant, request.query, request.begin, request.end, request.created,
                 request.processed, request.removed_entries, request.removed_bytes));
  for (const std::string& key : request.unreadable) TRY(note({number, key}));
  return number;
}

Result<std::vector<DeleteRequest>> DeleteTable::all() {
  TRY_LET(Statement rows, db_.prepare("SELECT number, id, tenant, query, begin_time, end_time, created, processed, "
                                      "removed_entries, removed_bytes FROM delete_request ORDER BY number"));
  std::vector<DeleteRequest> out;
  for (;;) {
    TRY_LET(Step step, rows.step());
    if (step == Step::kDone) break;
    DeleteRequest request;
    request.number = static_cast<uint64_t>(rows.integer(0));
    request.id = rows.text(1), request.tenant = rows.text(2), request.query = rows.text(3);
    request.begin = rows.integer(4), request.end = rows.integer(5);
    request.created = rows.integer(6), request.processed = rows.integer(7);
    request.removed_entries = static_cast<uint64_t>(rows.integer(8));
    request.removed_bytes = static_cast<uint64_t>(rows.integer(9));
    out.push_back(std::move(request));
  }
  TRY_LET(Statement objects, db_.prepare("SELECT request, key FROM delete_unreadable ORDER BY request, key"));
  for (;;) {
    TRY_LET(Step step, objects.step());
    if (step == Step::kDone) return out;
    const auto number = static_cast<uint64_t>(objects.integer(0));
    auto found = std::find_if(out.begin(), out.end(), [&](const auto& request) { return request.number == number; });
    if (found != out.end()) found->unreadable.emplace_back(objects.text(1));
  }
}

Result<void> DeleteTable::remove(uint64_t number) {
  TRY_LET(auto requests, all());
  auto found = std::find_if(requests.begin(), requests.end(), [&](const auto& r) { return r.number == number; });
  if (found == requests.end()) return fail(Errc::kNotFound, concat("request to delete ", number, ": not there"));
  if (found->processed != 0) return fail(Errc::kInvalid, concat("request to delete ", number, ": processed already"));
  TRY_LET(Statement remove, db_.prepare("DELETE FROM delete_request WHERE number = ?1"));
  return remove.run(number);
}

Result<void> DeleteTable::finish(uint64_t number, UnixNanos now) {
  TRY_LET(Statement finish,
          db_.prepare("UPDATE delete_request SET processed = ?2 WHERE number = ?1 AND processed = 0"));
  return finish.run(number, now);
}

Result<void> DeleteTable::correct_times(UnixNanos now) {
  TRY_LET(Statement correct, db_.prepare("UPDATE delete_request SET created = min(created, ?1), "
                                         "processed = min(processed, ?1) WHERE created > ?1 OR processed > ?1"));
  return correct.run(now);
}

Result<void> DeleteTable::count(const ErasedCount& erased) {
  TRY_LET(Statement count, db_.prepare("UPDATE delete_request SET removed_entries = removed_entries + ?2, "
                                       "removed_bytes = removed_bytes + ?3 WHERE number = ?1"));
  return count.run(erased.request, erased.entries, erased.bytes);
}

Result<void> DeleteTable::note(const UnreadableObject& object) {
  TRY_LET(Statement note, db_.prepare("INSERT OR IGNORE INTO delete_unreadable VALUES (?1, ?2)"));
  return note.run(object.request, object.key);
}

// AUTOINCREMENT keeps it, so that a number is never given twice.
Result<uint64_t> DeleteTable::last_number() {
  TRY_LET(Statement last, db_.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'delete_request'"));
  TRY_LET(Step step, last.step());
  return step == Step::kRow ? static_cast<uint64_t>(last.integer(0)) : 0;
}

Result<void> DeleteTable::raise_last_number(uint64_t number) {
  TRY_LET(uint64_t last, last_number());
  if (number <= last) return {};
  DeleteRequest placeholder;
  placeholder.number = number;
  TRY(add(placeholder));
  return remove(number);
}

}  // namespace server
