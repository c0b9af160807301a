// FileReader: one shard, that is one worker thread that reads tailed files and feeds its sink ports.
//
// Life:    set_ports() and set_rebuilds(), then start(); discovery offers files; scan_done() lets the reading begin;
//          stop() ends the thread after the current block, closes the ports' batches and returns; then the ports may be
//          destroyed. Destruction stops.
// Thread:  any for the methods below; ports and stages are called on the worker only.
// Limits:  one block of 256 KiB (more only for a max_line_bytes above that); a few hundred bytes per file. A port that
//          is full makes others of its source wait for a moment, then it gets its lines later (lagging_sinks.cc); when
//          all are full, or the memory is, reading stops; never the methods below, but for offer() between start() and
//          scan_done(), which waits while a thousand offers do.
// Errors:  a file that cannot be read is logged, counted and tried again with the next poll.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/checkpoint/records.h"
#include "agent/sink/memory_budget.h"
#include "agent/sink/sink.h"
#include "agent/source/deleted_files.h"
#include "agent/source/file_handle.h"
#include "agent/source/file_identity.h"
#include "agent/source/file_ledger.h"
#include "agent/source/open_files.h"
#include "agent/source/source_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/shared_text.h"
#include "pipeline/model/label_set.h"

namespace agent {

// Files of one lineage are drained in the order of their birth. A hash of its name.
struct Lineage {
  uint64_t value = 0;
  Lineage() = default;
  Lineage(const std::string& name) : value(pipeline::hash64(name)) {}
  bool operator==(const Lineage&) const = default;
};

// A file as discovery offers it.
struct OfferedFile {
  std::shared_ptr<FileHandle> handle;
  FileId id;
  FileIdentity identity;
  pipeline::SharedText path;  // where it was first seen
  Lineage lineage;
  uint64_t birth_order = 0;                  // rising
  size_t source = 0;                         // index into the reader's sources
  pipeline::LabelSet labels;                 // of the target, final
  uint64_t position = 0;                     // where reading starts
  uint64_t size_bytes = 0;                   // when it began as `identity` says
  std::optional<uint64_t> cut_line_at = {};  // see Cursor
  pipeline::UnixNanos last_read_time = 0;    // of a former run: later ones are above
  bool fresh = false;                        // never seen before: the sinks are told where reading starts
  bool rotated = false;                      // it has a rotated name already
  bool plain_labels = false;                 // its labels follow from its path (FileReaderOptions::labels_of)
};

// What the reader tells discovery. Called on the reader's thread; implementations post to their loop.
class ReaderEvents {
 public:
  virtual ~ReaderEvents() = default;
  // The file is gone and read to its end: forget it, and let the handle go.
  virtual void file_finished(InodeKey key, size_t source) = 0;
};

// The files found by the first scan, for rebuilding. Immutable.
struct FoundFile {
  std::shared_ptr<FileHandle> handle;  // null: its folder is not there (not mounted yet); it may still be found
  size_t source = 0;
};
using FoundFiles = IdMap<FileId, FoundFile>;

// An unacked batch of a former run that this reader builds again, through ports[port].
struct RebuildJob {
  size_t port = 0;
  const BatchRecord* record = nullptr;  // of Sink::unacked(), outlives the reader
};

// Who takes files from discovery: a FileReader, or in tests its FileShard.
class FileReceiver {
 public:
  virtual ~FileReceiver() = default;
  virtual void offer(OfferedFile file) = 0;
  // The first scan is complete: rebuild and read. Again, when folders have come that were not there: with their files.
  virtual void scan_done(std::shared_ptr<const FoundFiles> found) = 0;
  virtual void rotated(InodeKey key) = 0;  // has a rotated name now
  virtual void gone(InodeKey key) = 0;     // deleted, or moved out of sight
  // It was deleted while it was closed, and its inode is another file's: what was not read of it is lost.
  virtual void replaced(InodeKey key, size_t source) = 0;
  // The source wants this file no more: what the stages hold is handed on, and the ledger told where reading stopped.
  virtual void withdraw(InodeKey key, size_t source) = 0;
  virtual void relabel(InodeKey key, size_t source, pipeline::LabelSet labels) = 0;  // of the target, for later lines
};

// A change of the configuration, as far as a reader is concerned. It takes effect between two blocks.
struct ReaderChange {
  std::vector<std::shared_ptr<const SourceOptions>> sources;  // by index, as before; new ones behind
  std::vector<size_t> restaged;                               // those whose stages are others than before
  struct Port {
    size_t index = 0;
    std::unique_ptr<SinkPort> port;  // null: the sink is there no more
  };
  std::vector<Port> ports;  // new ones, and in place of old ones, whose batches are closed before
  std::vector<RebuildJob> rebuilds;
  std::shared_ptr<const FoundFiles> found;  // for the rebuilds
};

struct FileReaderOptions {
  std::chrono::milliseconds poll_every{250};       // files that are being written are looked at this often
  std::chrono::milliseconds quiet_after{5'000};    // without a write: inotify wakes us for the file, no more polling
  std::chrono::milliseconds check_every{10'000};   // quiet files are looked at this often all the same
  std::chrono::milliseconds finish_after{10'000};  // silence after which a rotated file's writers are asked for
  // The system does not tell whether a deleted file has writers: it is let go after this silence.
  std::chrono::milliseconds deleted_patience{3'600'000};
  std::shared_ptr<DeletedFiles> deleted = {};     // null: its own, with the default limit
  std::chrono::milliseconds close_after{60'000};  // unchanged for so long: closed when descriptors are scarce
  OpenFiles* open_files = nullptr;                // null: as many as there are
  // The labels of a file with plain_labels, which are let go while it is quiet. Empty: they are kept.
  std::function<pipeline::LabelSet(const SourceOptions&, const std::string& path)> labels_of = {};
};

class FileReader final : public FileReceiver {
 public:
  FileReader(FileReaderOptions options, std::vector<std::shared_ptr<const SourceOptions>> sources, FileLedger& ledger,
             MemoryBudget& memory, const pipeline::Clock& clock, pipeline::Registry& metrics);
  ~FileReader() override;

  void set_ports(std::vector<std::unique_ptr<SinkPort>> ports);  // SourceOptions::sinks index into these
  void set_rebuilds(std::vector<RebuildJob> jobs);               // each job to exactly one reader
  void start(ReaderEvents& events);
  void stop();

  void offer(OfferedFile file) override;
  void scan_done(std::shared_ptr<const FoundFiles> found) override;
  void rotated(InodeKey key) override;
  void gone(InodeKey key) override;
  void replaced(InodeKey key, size_t source) override;
  void withdraw(InodeKey key, size_t source) override;
  void relabel(InodeKey key, size_t source, pipeline::LabelSet labels) override;
  void wake();  // a port has room again

  // What is told between hold() and release() takes effect at once, between two blocks. change() closes open batches of
  // the ports it concerns, so that no batch holds entries of two configurations; what old stages hold is read again for
  // the new ones. release() returns when all of it is done (a block's time; the reader never waits for its caller).
  void hold();
  void change(ReaderChange change);
  void release();

  FoundFiles found() const;  // the files it has now

  // How far each file is, for /targets and whereis.
  struct Progress {
    FileId id;
    InodeKey key;
    pipeline::SharedText path;
    uint64_t size_bytes = 0, read_bytes = 0;
    bool paused = false;  // stands still because a sink is full
  };
  std::vector<Progress> progress() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent
