#include "server/catalog/object_table.h"

#include <algorithm>

#include "pipeline/base/varint.h"

namespace server {

using pipeline::Blob;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Step;

namespace {

std::string encode_tenants(const std::vector<std::string>& tenants) {
  std::string out;
  for (const std::string& tenant : tenants) {
    pipeline::append_varint(out, tenant.size());
    out += tenant;
  }
  return out;
}

std::vector<std::string> decode_tenants(std::string_view bytes) {
  std::vector<std::string> out;
  pipeline::ByteReader reader(bytes);
  while (reader.ok() && !reader.at_end()) out.emplace_back(reader.sized_bytes());
  return out;
}

Result<Ulid> take_id(std::string_view bytes) {
  auto id = Ulid::from_bytes(bytes);
  if (!id) return fail(Errc::kCorrupt, "the catalogue holds an object without an id");
  return *id;
}

}  // namespace

Result<ObjectTable> ObjectTable::open(pipeline::Database& db) {
  TRY_LET(
      auto insert,
      db.prepare("INSERT INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL, ?13, ?14, ?15)"));
  TRY_LET(auto state, db.prepare("SELECT dead_at IS NULL FROM object WHERE id = ?1"));
  TRY_LET(auto mark_dead, db.prepare("UPDATE object SET dead_at = ?2 WHERE id = ?1 AND dead_at IS NULL RETURNING 1"));
  TRY_LET(auto mark_applied,
          db.prepare("UPDATE object SET deletes_applied = ?2 WHERE id = ?1 AND deletes_applied < ?2"));
  TRY_LET(auto forget, db.prepare("DELETE FROM object WHERE id = ?1 AND dead_at IS NOT NULL"));
  TRY_LET(
      auto live,
      db.prepare("SELECT id, key, level, min_time, max_time, entries, streams, raw_bytes, size, "
                 "footer_length, tenants, deletes_applied, retention, ids_length FROM object WHERE dead_at IS NULL"));
  TRY_LET(auto dead, db.prepare("SELECT id, key FROM object WHERE dead_at <= ?1 ORDER BY dead_at"));
  TRY_LET(auto touched, db.prepare("SELECT tenants FROM object WHERE deletes_applied < ?1 AND max_time >= ?2 AND "
                                   "min_time < ?3"));
  TRY_LET(auto later_deaths, db.prepare("SELECT DISTINCT dead_at FROM object WHERE dead_at > ?1 ORDER BY dead_at"));
  TRY_LET(auto move_death, db.prepare("UPDATE object SET dead_at = ?2 WHERE dead_at = ?1"));
  return ObjectTable(std::move(insert), std::move(state), std::move(mark_dead), std::move(mark_applied),
                     std::move(forget), std::move(live), std::move(dead), std::move(touched), std::move(later_deaths),
                     std::move(move_death));
}

Result<void> ObjectTable::insert(const ObjectRow& row) {
  const ObjectSummary& s = row.summary;
  return insert_.run(Blob{s.object.bytes()}, row.key, s.level, hour_of(s.min_time), s.min_time, s.max_time, s.rows,
                     s.streams, s.raw_bytes, s.size, s.footer_length, Blob{encode_tenants(s.tenants)},
                     s.deletes_applied, s.retention_seconds, s.ids_length);
}

Result<std::optional<ObjectTable::State>> ObjectTable::state(const Ulid& object) {
  std::string id = object.bytes();
  TRY(state_.bind_all(Blob{id}));
  TRY_LET(Step step, state_.step());
  std::optional<State> out;
  if (step == Step::kRow) out = state_.integer(0) != 0 ? State::kLive : State::kDead;
  state_.reset();
  return out;
}

Result<bool> ObjectTable::mark_dead(const Ulid& object, UnixNanos now) {
  std::string id = object.bytes();
  TRY(mark_dead_.bind_all(Blob{id}, now));
  TRY_LET(Step step, mark_dead_.step());
  mark_dead_.reset();
  return step == Step::kRow;
}

Result<void> ObjectTable::correct_deaths(UnixNanos now) {
  std::vector<UnixNanos> later;
  later_deaths_.reset();
  TRY(later_deaths_.bind_all(now));
  for (;;) {
    TRY_LET(Step step, later_deaths_.step());
    if (step == Step::kDone) break;
    later.push_back(later_deaths_.integer(0));
  }
  UnixNanos moved = now - static_cast<UnixNanos>(later.size());
  for (UnixNanos time : later) TRY(move_death_.run(time, moved++));
  return {};
}

Result<void> ObjectTable::mark_applied(const Ulid& object, uint64_t through) {
  return mark_applied_.run(Blob{object.bytes()}, through);
}

Result<void> ObjectTable::forget(const Ulid& object) { return forget_.run(Blob{object.bytes()}); }

Result<std::vector<ObjectRow>> ObjectTable::live() {
  std::vector<ObjectRow> out;
  live_.reset();
  for (;;) {
    TRY_LET(Step step, live_.step());
    if (step == Step::kDone) return out;
    ObjectRow row;
    TRY_LET(row.summary.object, take_id(live_.blob(0)));
    row.key = live_.text(1);
    row.summary.level = static_cast<int>(live_.integer(2));
    row.summary.min_time = live_.integer(3);
    row.summary.max_time = live_.integer(4);
    row.summary.rows = static_cast<uint64_t>(live_.integer(5));
    row.summary.streams = static_cast<uint64_t>(live_.integer(6));
    row.summary.raw_bytes = static_cast<uint64_t>(live_.integer(7));
    row.summary.size = static_cast<uint64_t>(live_.integer(8));
    row.summary.footer_length = static_cast<uint32_t>(live_.integer(9));
    row.summary.tenants = decode_tenants(live_.blob(10));
    row.summary.deletes_applied = static_cast<uint64_t>(live_.integer(11));
    row.summary.retention_seconds = static_cast<uint64_t>(live_.integer(12));
    row.summary.ids_length = static_cast<uint64_t>(live_.integer(13));
    out.push_back(std::move(row));
  }
}

Result<std::vector<DeadObject>> ObjectTable::dead_since(UnixNanos time) {
  std::vector<DeadObject> out;
  dead_.reset();
  TRY(dead_.bind_all(time));
  for (;;) {
    TRY_LET(Step step, dead_.step());
    if (step == Step::kDone) return out;
    TRY_LET(Ulid id, take_id(dead_.blob(0)));
    out.push_back({id, std::string(dead_.text(1))});
  }
}

Result<bool> ObjectTable::was_swapped(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs) {
  for (const ObjectRow& row : outputs) {
    TRY_LET(auto found, state(row.summary.object));
    if (!found) return false;
  }
  for (const Ulid& input : inputs) {
    TRY_LET(auto found, state(input));
    if (found == State::kLive || (outputs.empty() && !found)) return false;
  }
  return true;
}

Result<bool> ObjectTable::holds_entries_of(const DeleteRequest& request) {
  touched_.reset();
  TRY(touched_.bind_all(request.number, request.begin, request.end));
  for (;;) {
    TRY_LET(Step step, touched_.step());
    if (step == Step::kDone) return false;
    auto tenants = decode_tenants(touched_.blob(0));
    if (!std::binary_search(tenants.begin(), tenants.end(), request.tenant)) continue;
    touched_.reset();
    return true;
  }
}

}  // namespace server
