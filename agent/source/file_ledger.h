// FileLedger: which files are known from former runs, by identity, and how far the sinks have them. A seam, so that
// reading and discovery are tested without a database; StoreLedger is the real one.
//
// Thread: any (implementations lock). Calls come per file, never per line, and answer from memory.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/source/file_identity.h"
#include "agent/source/source_options.h"

namespace agent {

class CheckpointStore;
class Sink;

struct KnownFile {
  FileId id;
  FileIdentity identity;
  std::string path;          // where it was first seen: labels are made from this, wherever the file is now
  uint64_t position = 0;     // where reading resumes: the lowest of the positions of the source's sinks
  uint64_t birth_order = 0;  // as of its first sight
};

class FileLedger {
 public:
  virtual ~FileLedger() = default;

  // Is any file of this source known at this inode? Asked for names that match no pattern: a file may have been rotated
  // while the agent was down.
  virtual bool knows(const SourceOptions& source, InodeKey key) const = 0;

  // The known file at `key` whose identity matches `head` and that has not become shorter than what was read of it;
  // nothing: never seen before. A file is found once.
  virtual std::optional<KnownFile> find(const SourceOptions& source, InodeKey key, std::string_view head,
                                        uint64_t size_bytes) = 0;

  virtual FileId adopt(const SourceOptions& source, const FileIdentity& identity, const std::string& path,
                       uint64_t birth_order) = 0;
  virtual void update(FileId file, const FileIdentity& identity) = 0;  // the fingerprint has grown

  // `file` is gone and was read to `end`: it is forgotten once every sink is past that.
  virtual void finished(FileId file, uint64_t end) = 0;

  // The first scan is complete: known files that were not found are gone for good. What was not read of them is lost
  // (their size is unknown, so this is said per file, not counted in bytes).
  virtual void first_scan_done() = 0;

  virtual uint64_t last_birth_order() const = 0;  // the highest known at the start
};

// Over the checkpoint store and the sinks, which outlive it.
class StoreLedger final : public FileLedger {
 public:
  StoreLedger(CheckpointStore& store, std::vector<Sink*> sinks);  // SourceOptions::sinks index into `sinks`

  bool knows(const SourceOptions& source, InodeKey key) const override;
  std::optional<KnownFile> find(const SourceOptions& source, InodeKey key, std::string_view head,
                                uint64_t size_bytes) override;
  FileId adopt(const SourceOptions& source, const FileIdentity& identity, const std::string& path,
               uint64_t birth_order) override;
  void update(FileId file, const FileIdentity& identity) override;
  void finished(FileId file, uint64_t end) override;
  void first_scan_done() override;
  uint64_t last_birth_order() const override;

  // Forgets finished files that every sink has; call it every few seconds and before the end.
  void sweep();

 private:
  struct Ending {
    FileId file;
    uint64_t end = 0;
  };
  bool all_sinks_past(const Ending& ending) const;

  CheckpointStore& store_;
  const std::vector<Sink*> sinks_;
  mutable std::mutex mutex_;
  std::unordered_multimap<InodeKey, FileId> unclaimed_;  // under mutex_: of former runs, not found yet
  std::unordered_map<FileId, FileRecord> records_;       // under mutex_: files in use
  std::vector<Ending> endings_;                          // under mutex_
};

}  // namespace agent
