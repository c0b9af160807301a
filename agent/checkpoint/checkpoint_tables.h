// CheckpointTables: the checkpoint store's SQLite file, version 3. Bytes of `ranges`: record_codec.h.
//
//   sinks      id, name, uuid, epoch                         one per name ever used; epoch of the last start
//   files      id, source, dev, inode, fingerprint, fingerprint_length, path, birth_order
//   positions  (sink, file), position, last_read_time
//   labels     key, text                                     label sets that records name
//   batches    (sink, epoch, seq), tenant, acked, ranges     until acked and passed (live_records.h)
//   cursors    (source, key), text                           where sources that are no files go on; since version 2.
//                                                            Also the highest file id that was forgotten, and until
//                                                            when earlier runs knew the files of a source: by the
//                                                            highest id, from a start to the end of its first scan
//   drops      (sink, file, reason), bytes, detail           of bytes below the position; since version 3
//   faults     (sink), text, since                           why it gets no ack; since version 3
//
// Unsigned 64-bit numbers are kept as the signed ones with the same bits.
// Life:    after an error of write() the same group may be written again: everything is put or deleted, never added to.
// Thread:  one at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "agent/checkpoint/live_records.h"
#include "agent/checkpoint/records.h"
#include "pipeline/base/result.h"
#include "pipeline/base/shared_text.h"
#include "pipeline/db/database.h"

namespace agent {

struct PutFile {
  FileId file;
  FileRecord record;
};
struct ForgetFile {
  FileId file;
};
struct PutRecord {
  std::string sink;
  std::shared_ptr<const BatchRecord> record;
};
struct AckBatch {
  std::string sink;
  BatchNumber number;
};
struct SavePositions {
  std::string sink;
  std::vector<FilePosition> positions;
};
struct SaveCursor {
  pipeline::SharedText source, key, text;  // no text: the row goes
};
struct EndFirstScan {
  pipeline::SharedText source;
};
struct SaveDrops {
  std::string sink;
  std::vector<DroppedBytes> dropped;
};
struct SaveFault {
  std::string sink;
  SinkFault fault;
};
using CheckpointOperation = std::variant<PutFile, ForgetFile, PutRecord, AckBatch, SavePositions, SaveCursor,
                                         EndFirstScan, SaveDrops, SaveFault>;

class CheckpointTables {
 public:
  // Makes the tables where there are none. kCorrupt: not ours or damaged; kInvalid: made by a newer version.
  static pipeline::Result<CheckpointTables> open(const std::string& path);
  // What is there of every sink, for who only looks: nothing is changed, also while an agent runs. kInvalid: made by
  // another version.
  static pipeline::Result<Resume> view(const std::string& path);
  CheckpointTables(CheckpointTables&& other) noexcept;
  ~CheckpointTables();

  // Reads everything and raises the epoch of each of `sinks`, durably. kCorrupt: a row that makes no sense.
  // `last_written`: when an earlier run wrote last.
  pipeline::Result<Resume> load(const std::vector<std::string>& sinks, pipeline::UnixNanos last_written);
  // By source, and the highest id of those files that were known until then. After load().
  using KnownUntil = std::map<std::string, std::map<FileId, pipeline::UnixNanos>, std::less<>>;
  const KnownUntil& known_until() const { return known_until_; }
  // The same for one sink, later. Nothing of it may be waiting to be written.
  pipeline::Result<SinkResume> add_sink(const std::string& name);
  uint64_t first_free_file_id() const { return first_free_file_id_; }  // after load()

  // All or nothing, durable when it returns.
  pipeline::Result<void> write(const std::vector<CheckpointOperation>& group);
  size_t live_records() const;

 private:
  struct Statements;
  CheckpointTables(pipeline::Database db, std::unique_ptr<Statements> statements);
  struct SinkRows {
    int64_t id = 0;
    LiveRecords records;
    std::vector<BatchNumber> finished;  // to be deleted by the next group
  };

  pipeline::Result<void> load_files(Resume& resume);
  pipeline::Result<void> load_cursors(Resume& resume);
  pipeline::Result<void> keep_known_until(const Resume& resume);
  pipeline::Result<void> delete_orphans();
  pipeline::Result<void> load_absent_sinks();
  pipeline::Result<void> load_sink(const std::string& name, int64_t id, SinkResume& resume);
  pipeline::Result<void> load_positions(int64_t id, SinkRows& rows, SinkResume& resume);
  pipeline::Result<void> load_drops(int64_t id, SinkResume& resume);
  pipeline::Result<void> load_records(int64_t id, SinkRows& rows, SinkResume& resume);
  pipeline::Result<int64_t> start_producer(const std::string& name, Producer& producer);
  pipeline::Result<void> drop_unused_labels();

  pipeline::Result<void> apply(const PutFile& put);
  pipeline::Result<void> apply(const ForgetFile& forget);
  pipeline::Result<void> apply(const PutRecord& put);
  pipeline::Result<void> apply(const AckBatch& ack);
  pipeline::Result<void> apply(const SavePositions& save);
  pipeline::Result<void> apply(const SaveCursor& save);
  pipeline::Result<void> apply(const EndFirstScan& end);
  pipeline::Result<void> apply(const SaveDrops& save);
  pipeline::Result<void> apply(const SaveFault& save);
  pipeline::Result<void> put_labels(const BatchRecord& record);
  pipeline::Result<void> delete_finished(SinkRows& sink);

  pipeline::Database db_;
  std::unique_ptr<Statements> statements_;
  std::map<std::string, SinkRows> sinks_;
  std::unordered_set<uint64_t> labels_on_disk_;
  std::vector<uint64_t> labels_of_group_;
  size_t labels_allowed_ = 0;  // more than these: look for unused ones
  uint64_t first_free_file_id_ = 1;
  uint64_t highest_forgotten_ = 0;  // of file ids; as it was saved
  KnownUntil known_until_;          // as of load()
};

}  // namespace agent
