// StoreLedger: the FileLedger over the checkpoint store and the sinks, which outlive it. Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/source/file_ledger.h"
#include "agent/source/hash_index.h"

namespace agent {

class CheckpointStore;
class Sink;

class StoreLedger final : public FileLedger {
 public:
  StoreLedger(CheckpointStore& store, std::vector<Sink*> sinks);  // SourceOptions::sinks index into `sinks`

  bool knows(const SourceOptions& source, InodeKey key) const override;
  std::optional<KnownFile> find(const SourceOptions& source, InodeKey key, const pipeline::SharedText& path,
                                std::string_view head, uint64_t size_bytes) override;
  std::vector<KnownFile> missing(const SourceOptions& source) const override;
  void claim(FileId file) override;
  void give_back(FileId file) override;
  FileId adopt(const SourceOptions& source, const FileIdentity& identity, const pipeline::SharedText& path,
               uint64_t birth_order) override;
  void set_birth_order(FileId file, uint64_t birth_order) override;
  void update(FileId file, const FileIdentity& identity) override;
  bool is_copy(const SourceOptions& source, InodeKey key) const override;
  bool begins_like(FileId file, std::string_view head) const override;
  void release(FileId file, uint64_t position, std::optional<uint64_t> cut_line_at) override;
  void finished(FileId file, uint64_t end) override;
  void first_scan_done(const std::set<std::string>& sources) override;
  void first_scan_kept(const std::string& source) override;
  void dropped_by(size_t sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end) override;
  void dropped(const SourceOptions& source, FileId file, std::string_view reason, uint64_t bytes,
               uint64_t end) override;
  uint64_t last_birth_order() const override;

  std::map<FileId, FileRecord> files() const;  // those known
  std::vector<FileId> file_ids() const;        // of the same, in order
  std::map<FileId, FileRecord> files(std::span<const FileId> ids) const;

  // After a change of the configuration; null: that sink is there no more. `retiring`: those that are given nothing new
  // and still send what they have; a file they have something of is not forgotten. They may go when this has returned.
  void set_sinks(std::vector<Sink*> sinks, std::vector<Sink*> retiring);

  // Forgets finished files that every sink has, of sources whose first scan is kept; call it every few seconds and
  // before the end.
  void sweep();

 private:
  struct Ending {
    FileId file;
    uint64_t end = 0;
  };
  struct Released {
    uint64_t position = 0;
    std::optional<uint64_t> cut_line_at;
  };
  // As FileRecord; there are many.
  struct Record {
    pipeline::SharedText source, path;
    FileIdentity identity;
    uint64_t birth_order = 0;
  };
  const Record& record_of(FileId file) const { return *records_.find(file); }  // which is there
  pipeline::SharedText source_name(const pipeline::SharedText& name);
  static FileRecord file_record(const Record& record);
  void load_withdrawn();
  void take(FileId file);
  void put_back(FileId file, const Record& record);
  void forget(FileId file);
  KnownFile known_file(FileId file, const SourceOptions& source) const;
  uint64_t highest_position(FileId file, const SourceOptions& source) const;
  bool is_blank(FileId file, const SourceOptions& source, std::string_view head) const;
  bool all_sinks_past(const Ending& ending) const;
  template <class Visit>
  void visit_unclaimed(InodeKey key, Visit visit) const;

  CheckpointStore& store_;
  uint64_t last_birth_order_ = 0;  // set once
  mutable std::mutex mutex_;
  std::vector<Sink*> sinks_;                           // under mutex_
  std::vector<Sink*> retiring_;                        // under mutex_
  std::unordered_map<FileId, Released> released_;      // under mutex_: of this run, unclaimed, and where to resume
  std::unordered_set<FileId> withdrawn_;               // under mutex_: released in any run, unclaimed
  std::set<std::pair<InodeKey, std::string>> copies_;  // under mutex_: and of which source
  IdMap<FileId, Record> records_;                      // under mutex_: files in use
  HashIndex<uint64_t> unclaimed_;                      // under mutex_: of former runs, not found yet: ids, by inode
  std::set<pipeline::SharedText, pipeline::SharedText::Order> source_names_;  // under mutex_: one copy of each
  std::vector<Ending> endings_;                                               // under mutex_
  std::set<std::string> unkept_;  // under mutex_: sources whose first scan is done and not kept yet
};

}  // namespace agent
