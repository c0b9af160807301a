#include "agent/checkpoint/checkpoint_tables.h"

#include <algorithm>
#include <cstdlib>
#include <sys/random.h>
#include <unordered_map>

#include "agent/checkpoint/record_codec.h"
#include "pipeline/base/invariant.h"

namespace agent {

using pipeline::Blob;
using pipeline::concat;
using pipeline::Database;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::Statement;
using pipeline::Step;

namespace {
constexpr int64_t kVersion = 3;
// Among the cursors, under a name that no source has: ids up to this one were given before. A spool may still name
// them.
constexpr std::string_view kIdsName =
                               "\x1f"
                               "file ids",
                           kForgottenKey = "forgotten";
// Likewise, with the name of the source behind it: until when files up to an id were known.
constexpr std::string_view kKnownUntil =
    "\x1f"
    "known until/";
constexpr size_t kUnusedLabels = 1024;  // label sets kept for nothing before they are looked through

constexpr std::string_view kTables = R"(
CREATE TABLE sinks (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE files (id INTEGER PRIMARY KEY, source TEXT NOT NULL, dev INTEGER NOT NULL, inode INTEGER NOT NULL,
  fingerprint INTEGER NOT NULL, fingerprint_length INTEGER NOT NULL, path TEXT NOT NULL, birth_order INTEGER NOT NULL) STRICT;
CREATE TABLE positions (sink INTEGER NOT NULL, file INTEGER NOT NULL, position INTEGER NOT NULL,
  last_read_time INTEGER NOT NULL, PRIMARY KEY (sink, file)) WITHOUT ROWID, STRICT;
CREATE TABLE labels (key INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE batches (sink INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, tenant TEXT NOT NULL,
  acked INTEGER NOT NULL, ranges BLOB NOT NULL, PRIMARY KEY (sink, epoch, seq)) WITHOUT ROWID, STRICT;
)";

// Version 2 has, beyond version 1:
constexpr std::string_view kCursors = R"(
CREATE TABLE cursors (source TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID, STRICT;
)";

// Version 3 has, beyond version 2:
constexpr std::string_view kDrops = R"(
CREATE TABLE drops (sink INTEGER NOT NULL, file INTEGER NOT NULL, reason TEXT NOT NULL, bytes INTEGER NOT NULL,
  detail TEXT NOT NULL, PRIMARY KEY (sink, file, reason)) WITHOUT ROWID, STRICT;
CREATE TABLE faults (sink INTEGER PRIMARY KEY, text TEXT NOT NULL, since INTEGER NOT NULL) STRICT;
)";

int64_t as_signed(uint64_t v) { return static_cast<int64_t>(v); }
uint64_t as_unsigned(int64_t v) { return static_cast<uint64_t>(v); }

// A random UUID (version 4, RFC 9562).
std::string make_uuid() {
  unsigned char b[16];
  INVARIANT(::getrandom(b, sizeof b, 0) == sizeof b);
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40), b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[b[i] >> 4], out += kHex[b[i] & 15];
  }
  return out;
}

Result<void> make_tables(Database& db, int64_t version) {
  TRY_LET(auto transaction, db.begin());
  if (version == 0) TRY(db.execute(kTables));
  if (version < 2) TRY(db.execute(kCursors));
  TRY(db.execute(kDrops));
  TRY(db.set_schema_version(kVersion));
  return transaction.commit();
}
}  // namespace

struct CheckpointTables::Statements {
  Statement put_file, delete_file, delete_positions, put_record, put_labels, ack, put_position, delete_record,
      put_cursor, delete_cursor, delete_cursors, put_drop, delete_drops, put_fault;

  static Result<std::unique_ptr<Statements>> prepare(Database& db) {
    TRY_LET(auto put_file, db.prepare("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?)"));
    TRY_LET(auto delete_file, db.prepare("DELETE FROM files WHERE id = ?"));
    TRY_LET(auto delete_positions, db.prepare("DELETE FROM positions WHERE file = ?"));
    TRY_LET(auto put_record, db.prepare("INSERT OR REPLACE INTO batches VALUES (?,?,?,?,?,?)"));
    TRY_LET(auto put_labels, db.prepare("INSERT OR IGNORE INTO labels VALUES (?,?)"));
    TRY_LET(auto ack, db.prepare("UPDATE batches SET acked = 1 WHERE sink = ? AND epoch = ? AND seq = ?"));
    TRY_LET(
        auto put_position,
        db.prepare(
            "INSERT OR REPLACE INTO positions SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM files WHERE id = ?2)"));
    TRY_LET(auto delete_record, db.prepare("DELETE FROM batches WHERE sink = ? AND epoch = ? AND seq = ?"));
    TRY_LET(auto put_cursor, db.prepare("INSERT OR REPLACE INTO cursors VALUES (?,?,?)"));
    TRY_LET(auto delete_cursor, db.prepare("DELETE FROM cursors WHERE source = ? AND key = ?"));
    TRY_LET(auto delete_cursors, db.prepare("DELETE FROM cursors WHERE source = ?"));
    TRY_LET(auto put_drop, db.prepare("INSERT OR REPLACE INTO drops SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 "
                                      "FROM files WHERE id = ?2)"));
    TRY_LET(auto delete_drops, db.prepare("DELETE FROM drops WHERE file = ?"));
    TRY_LET(auto put_fault, db.prepare("INSERT OR REPLACE INTO faults VALUES (?,?,?)"));
    return std::make_unique<Statements>(
        Statements{std::move(put_file), std::move(delete_file), std::move(delete_positions), std::move(put_record),
                   std::move(put_labels), std::move(ack), std::move(put_position), std::move(delete_record),
                   std::move(put_cursor), std::move(delete_cursor), std::move(delete_cursors), std::move(put_drop),
                   std::move(delete_drops), std::move(put_fault)});
  }
};

CheckpointTables::CheckpointTables(Database db, std::unique_ptr<Statements> statements)
    : db_(std::move(db)), statements_(std::move(statements)) {}
CheckpointTables::CheckpointTables(CheckpointTables&&) noexcept = default;
CheckpointTables::~CheckpointTables() = default;

Result<CheckpointTables> CheckpointTables::open(const std::string& path) {
  TRY_LET(Database db, Database::open(path, {}));
  TRY(db.check());
  TRY_LET(int64_t version, db.schema_version());
  if (version > kVersion) return fail(Errc::kInvalid, concat(path, ": made by a newer version of skidway-agent"));
  if (version < kVersion) TRY(make_tables(db, version));
  TRY_LET(auto statements, Statements::prepare(db));
  return CheckpointTables(std::move(db), std::move(statements));
}

Result<Resume> CheckpointTables::view(const std::string& path) {
  pipeline::DatabaseOptions options;
  options.create = false;
  options.read_only = true;
  TRY_LET(Database db, Database::open(path, options));
  TRY_LET(int64_t version, db.schema_version());
  if (version != kVersion)
    return fail(Errc::kInvalid, concat(path, ": made by another version of skidway-agent; start this one once"));
  TRY_LET(auto statements, Statements::prepare(db));
  CheckpointTables tables(std::move(db), std::move(statements));
  TRY_LET(auto snapshot, tables.db_.begin_read());
  Resume resume;
  TRY(tables.load_files(resume));
  TRY(tables.load_cursors(resume));
  std::vector<std::pair<std::string, int64_t>> sinks;
  {
    TRY_LET(Statement all, tables.db_.prepare("SELECT name, id, uuid, epoch FROM sinks"));
    for (;;) {
      TRY_LET(Step step, all.step());
      if (step == Step::kDone) break;
      sinks.emplace_back(all.text(0), all.integer(1));
      resume.sinks[sinks.back().first].producer = {std::string(all.text(2)), as_unsigned(all.integer(3))};
    }
  }
  for (auto& [name, id] : sinks) TRY(tables.load_sink(name, id, resume.sinks[name]));
  return resume;
}

// --- load

Result<Resume> CheckpointTables::load(const std::vector<std::string>& sinks, pipeline::UnixNanos last_written) {
  Resume resume;
  resume.last_written = last_written;
  TRY_LET(auto transaction, db_.begin());
  TRY(load_files(resume));
  TRY(load_cursors(resume));
  TRY(delete_orphans());
  for (const std::string& name : sinks) {
    SinkResume& sink = resume.sinks[name];
    TRY_LET(int64_t id, start_producer(name, sink.producer));
    TRY(load_sink(name, id, sink));
  }
  TRY(load_absent_sinks());
  TRY(keep_known_until(resume));
  TRY(drop_unused_labels());
  TRY(transaction.commit());
  TRY(db_.execute("PRAGMA shrink_memory"));  // the pages that were read: hardly one of them is needed again
  return resume;
}

Result<SinkResume> CheckpointTables::add_sink(const std::string& name) {
  SinkResume sink;
  TRY_LET(auto transaction, db_.begin());
  TRY_LET(int64_t id, start_producer(name, sink.producer));
  TRY(load_sink(name, id, sink));
  TRY(transaction.commit());
  return sink;
}

Result<void> CheckpointTables::load_files(Resume& resume) {
  TRY_LET(Statement all, db_.prepare("SELECT * FROM files"));
  pipeline::SharedText source;  // files of one source often follow one another
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) break;
    FileId id{as_unsigned(all.integer(0))};
    if (source.view() != all.text(1)) source = all.text(1);
    resume.files[id] = {.source = source,
                        .dev = as_unsigned(all.integer(2)),
                        .inode = as_unsigned(all.integer(3)),
                        .fingerprint = as_unsigned(all.integer(4)),
                        .fingerprint_length = static_cast<uint32_t>(all.integer(5)),
                        .path = all.text(6),
                        .birth_order = as_unsigned(all.integer(7))};
    first_free_file_id_ = std::max(first_free_file_id_, id.value + 1);
  }
  return {};
}

// Positions of files forgotten before: their ids are given to no other file in this run, their rows go.
Result<void> CheckpointTables::delete_orphans() {
  TRY_LET(Statement highest, db_.prepare("SELECT MAX(file) FROM positions"));
  TRY_LET(Step step, highest.step());
  if (step == Step::kRow) first_free_file_id_ = std::max(first_free_file_id_, as_unsigned(highest.integer(0)) + 1);
  highest.reset();
  TRY(db_.execute("DELETE FROM drops WHERE file NOT IN (SELECT id FROM files)"));
  return db_.execute("DELETE FROM positions WHERE file NOT IN (SELECT id FROM files)");
}

Result<void> CheckpointTables::load_cursors(Resume& resume) {
  TRY_LET(Statement all, db_.prepare("SELECT source, key, text FROM cursors"));
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) return {};
    if (all.text(0) == kIdsName) {
      const std::string last(all.text(2));
      highest_forgotten_ = std::strtoull(last.c_str(), nullptr, 10);
      first_free_file_id_ = std::max(first_free_file_id_, highest_forgotten_ + 1);
      continue;
    }
    if (all.text(0).starts_with(kKnownUntil)) {
      const std::string id(all.text(1)), time(all.text(2));
      const FileId file{std::strtoull(id.c_str(), nullptr, 10)};
      known_until_[std::string(all.text(0).substr(kKnownUntil.size()))][file] = std::strtoll(time.c_str(), nullptr, 10);
      continue;
    }
    resume.cursors[std::string(all.text(0))][std::string(all.text(1))] = all.text(2);
  }
}

// This start writes, and so do those that follow it if it does not come to the end of its first scan.
Result<void> CheckpointTables::keep_known_until(const Resume& resume) {
  if (resume.last_written == 0) return {};
  std::map<pipeline::SharedText, FileId, pipeline::SharedText::Order> highest;
  for (const auto& [id, record] : resume.files) highest[record.source] = id;  // the ids rise
  for (const auto& [source, id] : highest) {
    auto& known = known_until_[source.str()];
    if (!known.empty() && known.rbegin()->first >= id) continue;
    known[id] = resume.last_written;
    const std::string name = concat(kKnownUntil, source.view()), key = std::to_string(id.value),
                      time = std::to_string(resume.last_written);
    TRY(statements_->put_cursor.run(std::string_view(name), std::string_view(key), std::string_view(time)));
  }
  return {};
}

Result<int64_t> CheckpointTables::start_producer(const std::string& name, Producer& producer) {
  TRY_LET(Statement find, db_.prepare("SELECT id, uuid, epoch FROM sinks WHERE name = ?"));
  TRY(find.bind_all(std::string_view(name)));
  TRY_LET(Step step, find.step());
  if (step == Step::kDone) {
    producer = {make_uuid(), 1};
    TRY_LET(Statement insert, db_.prepare("INSERT INTO sinks (name, uuid, epoch) VALUES (?,?,1)"));
    TRY(insert.run(std::string_view(name), std::string_view(producer.uuid)));
    return db_.last_insert_id();
  }
  int64_t id = find.integer(0);
  producer = {std::string(find.text(1)), as_unsigned(find.integer(2)) + 1};
  find.reset();
  TRY_LET(Statement raise, db_.prepare("UPDATE sinks SET epoch = ? WHERE id = ?"));
  TRY(raise.run(as_signed(producer.epoch), id));
  return id;
}

// Sinks that this configuration does not name: they may come back, so what they left stays.
Result<void> CheckpointTables::load_absent_sinks() {
  std::vector<std::pair<std::string, int64_t>> absent;
  TRY_LET(Statement all, db_.prepare("SELECT name, id FROM sinks"));
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) break;
    if (!sinks_.contains(std::string(all.text(0)))) absent.emplace_back(all.text(0), all.integer(1));
  }
  SinkResume unused;
  for (auto& [name, id] : absent) TRY(load_sink(name, id, unused));
  return {};
}

Result<void> CheckpointTables::load_sink(const std::string& name, int64_t id, SinkResume& resume) {
  SinkRows& rows = sinks_[name];
  rows.id = id;
  TRY(load_positions(id, rows, resume));
  TRY(load_drops(id, resume));
  return load_records(id, rows, resume);
}

Result<void> CheckpointTables::load_positions(int64_t id, SinkRows& rows, SinkResume& resume) {
  TRY_LET(Statement all, db_.prepare("SELECT file, position, last_read_time FROM positions WHERE sink = ?"));
  TRY(all.bind_all(id));
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) return {};
    FilePosition position{{as_unsigned(all.integer(0))}, as_unsigned(all.integer(1)), all.integer(2)};
    resume.positions[position.file] = position;
    rows.records.pass(position.file, position.position);
  }
}

Result<void> CheckpointTables::load_drops(int64_t id, SinkResume& resume) {
  TRY_LET(Statement all, db_.prepare("SELECT file, reason, bytes, detail FROM drops WHERE sink = ?"));
  TRY(all.bind_all(id));
  pipeline::SharedText reason;  // often the same
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) break;
    if (reason.view() != all.text(1)) reason = all.text(1);
    resume.dropped.push_back({{as_unsigned(all.integer(0))}, reason, as_unsigned(all.integer(2)), all.text(3)});
  }
  TRY_LET(Statement fault, db_.prepare("SELECT text, since FROM faults WHERE sink = ?"));
  TRY(fault.bind_all(id));
  TRY_LET(Step step, fault.step());
  if (step == Step::kRow) resume.fault = {std::string(fault.text(0)), fault.integer(1)};
  return {};
}

Result<void> CheckpointTables::load_records(int64_t id, SinkRows& rows, SinkResume& resume) {
  TRY_LET(Statement labels, db_.prepare("SELECT text FROM labels WHERE key = ?"));
  std::unordered_map<uint64_t, std::shared_ptr<const std::string>> known;
  auto find_labels = [&](uint64_t key) -> std::shared_ptr<const std::string> {
    auto& text = known[key];
    if (text || !labels.bind(1, as_signed(key))) return text;
    if (auto step = labels.step(); step && *step == Step::kRow)
      text = std::make_shared<const std::string>(labels.text(0));
    labels.reset();
    return text;
  };
  TRY_LET(Statement all,
          db_.prepare("SELECT epoch, seq, tenant, acked, ranges FROM batches WHERE sink = ? ORDER BY epoch, seq"));
  TRY(all.bind_all(id));
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) return {};
    BatchRecord record{
        {as_unsigned(all.integer(0)), as_unsigned(all.integer(1))}, std::string(all.text(2)), all.integer(3) != 0, {}};
    TRY_LET(record.segments, decode_segments(all.blob(4), find_labels));
    for (const RecordSegment& segment : record.segments) {
      labels_on_disk_.insert(labels_key(*segment.labels));
      first_free_file_id_ = std::max(first_free_file_id_, segment.file.value + 1);
    }
    rows.records.add(record);
    resume.records.push_back(std::move(record));
  }
}

// --- write

Result<void> CheckpointTables::write(const std::vector<CheckpointOperation>& group) {
  labels_of_group_.clear();
  TRY_LET(auto transaction, db_.begin());
  for (const CheckpointOperation& operation : group) TRY(std::visit([&](auto& o) { return apply(o); }, operation));
  for (auto& [name, sink] : sinks_) TRY(delete_finished(sink));
  if (labels_on_disk_.size() > labels_allowed_) TRY(drop_unused_labels());
  TRY(transaction.commit());
  labels_on_disk_.insert(labels_of_group_.begin(), labels_of_group_.end());
  for (auto& [name, sink] : sinks_) sink.finished.clear();
  return {};
}

Result<void> CheckpointTables::apply(const PutFile& put) {
  const FileRecord& f = put.record;
  return statements_->put_file.run(as_signed(put.file.value), std::string_view(f.source), as_signed(f.dev),
                                   as_signed(f.inode), as_signed(f.fingerprint), f.fingerprint_length,
                                   std::string_view(f.path), as_signed(f.birth_order));
}

Result<void> CheckpointTables::apply(const ForgetFile& forget) {
  for (auto& [name, sink] : sinks_) sink.records.forget(forget.file);
  TRY(statements_->delete_positions.run(as_signed(forget.file.value)));
  TRY(statements_->delete_drops.run(as_signed(forget.file.value)));
  if (forget.file.value >= highest_forgotten_) {
    const std::string last = std::to_string(forget.file.value);
    TRY(statements_->put_cursor.run(kIdsName, kForgottenKey, std::string_view(last)));
    highest_forgotten_ = forget.file.value;
  }
  return statements_->delete_file.run(as_signed(forget.file.value));
}

Result<void> CheckpointTables::put_labels(const BatchRecord& record) {
  for (const RecordSegment& segment : record.segments) {
    uint64_t key = labels_key(*segment.labels);
    if (labels_on_disk_.contains(key)) continue;
    TRY(statements_->put_labels.run(as_signed(key), std::string_view(*segment.labels)));
    labels_of_group_.push_back(key);
  }
  return {};
}

Result<void> CheckpointTables::apply(const PutRecord& put) {
  const BatchRecord& record = *put.record;
  SinkRows& sink = sinks_.at(put.sink);
  TRY(put_labels(record));
  sink.records.add(record);
  std::string ranges = encode_segments(record.segments);
  return statements_->put_record.run(sink.id, as_signed(record.number.epoch), as_signed(record.number.seq),
                                     std::string_view(record.tenant), record.acked ? 1 : 0, Blob{ranges});
}

Result<void> CheckpointTables::apply(const AckBatch& ack) {
  SinkRows& sink = sinks_.at(ack.sink);
  sink.records.ack(ack.number);
  return statements_->ack.run(sink.id, as_signed(ack.number.epoch), as_signed(ack.number.seq));
}

Result<void> CheckpointTables::apply(const SavePositions& save) {
  SinkRows& sink = sinks_.at(save.sink);
  for (const FilePosition& p : save.positions) {
    TRY(statements_->put_position.run(sink.id, as_signed(p.file.value), as_signed(p.position), p.last_read_time));
    sink.records.pass(p.file, p.position);
  }
  return {};
}

Result<void> CheckpointTables::apply(const SaveCursor& save) {
  std::string_view source = save.source, key = save.key, text = save.text;
  return text.empty() ? statements_->delete_cursor.run(source, key) : statements_->put_cursor.run(source, key, text);
}

Result<void> CheckpointTables::apply(const EndFirstScan& end) {
  return statements_->delete_cursors.run(std::string_view(concat(kKnownUntil, end.source.view())));
}

Result<void> CheckpointTables::apply(const SaveDrops& save) {
  int64_t sink = sinks_.at(save.sink).id;
  for (const DroppedBytes& d : save.dropped)
    TRY(statements_->put_drop.run(sink, as_signed(d.file.value), std::string_view(d.reason), as_signed(d.bytes),
                                  std::string_view(d.detail)));
  return {};
}

Result<void> CheckpointTables::apply(const SaveFault& save) {
  return statements_->put_fault.run(sinks_.at(save.sink).id, std::string_view(save.fault.text), save.fault.since);
}

Result<void> CheckpointTables::delete_finished(SinkRows& sink) {
  std::vector<BatchNumber> finished = sink.records.take_finished();
  sink.finished.insert(sink.finished.end(), finished.begin(), finished.end());
  for (const BatchNumber& n : sink.finished)
    TRY(statements_->delete_record.run(sink.id, as_signed(n.epoch), as_signed(n.seq)));
  return {};
}

Result<void> CheckpointTables::drop_unused_labels() {
  std::unordered_set<uint64_t> used;
  for (auto& [name, sink] : sinks_) sink.records.collect_labels(used);
  std::vector<int64_t> unused;
  TRY_LET(Statement all, db_.prepare("SELECT key FROM labels"));
  for (;;) {
    TRY_LET(Step step, all.step());
    if (step == Step::kDone) break;
    if (!used.contains(as_unsigned(all.integer(0)))) unused.push_back(all.integer(0));
  }
  TRY_LET(Statement remove, db_.prepare("DELETE FROM labels WHERE key = ?"));
  for (int64_t key : unused) {
    TRY(remove.run(key));
    labels_on_disk_.erase(as_unsigned(key));
  }
  labels_allowed_ = 2 * used.size() + kUnusedLabels;
  return {};
}

size_t CheckpointTables::live_records() const {
  size_t n = 0;
  for (auto& [name, sink] : sinks_) n += sink.records.size();
  return n;
}

}  // namespace agent
