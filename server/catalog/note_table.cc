#include "server/catalog/note_table.h"

namespace server {

using pipeline::Blob;
using pipeline::Result;
using pipeline::Step;

Result<NoteTable> NoteTable::open(pipeline::Database& db) {
  TRY(db.execute(kSchema));
  TRY_LET(auto find, db.prepare("SELECT bytes FROM note WHERE object = ?1 AND kind = ?2"));
  TRY_LET(auto keep, db.prepare("INSERT OR REPLACE INTO note (object, kind, bytes) VALUES (?1, ?2, ?3)"));
  TRY_LET(auto forget, db.prepare("DELETE FROM note WHERE object = ?1"));
  TRY_LET(auto trim, db.prepare("DELETE FROM note WHERE number <= (SELECT max(number) FROM note) - ?1"));
  return NoteTable(std::move(find), std::move(keep), std::move(forget), std::move(trim));
}

Result<std::optional<std::string>> NoteTable::find(const Ulid& object, std::string_view kind) {
  std::string id = object.bytes();
  find_.reset();
  TRY(find_.bind_all(Blob{id}, kind));
  TRY_LET(Step step, find_.step());
  std::optional<std::string> out;
  if (step == Step::kRow) out = std::string(find_.blob(0));
  find_.reset();
  return out;
}

Result<void> NoteTable::keep(const Ulid& object, std::string_view kind, std::string_view bytes) {
  TRY(keep_.run(Blob{object.bytes()}, kind, Blob{bytes}));
  return trim_.run(kMaxNotes);
}

Result<void> NoteTable::forget(const Ulid& object) { return forget_.run(Blob{object.bytes()}); }

}  // namespace server
