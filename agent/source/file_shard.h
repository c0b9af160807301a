// FileShard: what a FileReader's thread does, without the thread: it looks at files, reads what is new in them through
// the stages into the ports, and finishes files that are gone.
//
//   look (poll, or told by QuietWatch) -> dirty -> read up to kBlocksPerTurn blocks of each, in birth order -> quiet
//
// What a stage holds back (a multiline block) is handed on when StageState::due() has come; lines read later have later
// read times, so that a rebuild, which goes by those, cuts at the same place.
//
// A file that was written to within `quiet_after` is looked at with fstat every `poll_every`: cheaper than one event
// per write. A quiet one is watched, and sleeps if it is read to its end (quiet_files.cc). A file of a lineage waits
// until its elders are at rest and read to their end.
//
// Life:    offers may come before scan_done(); nothing is read, and hardly anything looked at, until then.
// Thread:  one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/source/block_reader.h"
#include "agent/source/file_reader.h"
#include "agent/source/owed_lines.h"
#include "agent/source/patience.h"
#include "agent/source/quiet_watch.h"
#include "agent/source/rebuilder.h"
#include "agent/source/sleeping_files.h"
#include "agent/source/source_metrics.h"
#include "agent/source/tailed_file.h"
#include "pipeline/base/log.h"

namespace agent {

class FileShard final : public FileReceiver {
 public:
  FileShard(FileReaderOptions options, std::vector<std::shared_ptr<const SourceOptions>> sources, FileLedger& ledger,
            MemoryBudget& memory, const pipeline::Clock& clock, pipeline::Registry& metrics);
  ~FileShard() override;

  void set_ports(std::vector<std::unique_ptr<SinkPort>> ports) { ports_ = std::move(ports); }
  void set_rebuilds(std::vector<RebuildJob> jobs) { rebuild_jobs_ = std::move(jobs); }
  void set_events(ReaderEvents& events) { events_ = &events; }

  void offer(OfferedFile file) override;
  void scan_done(std::shared_ptr<const FoundFiles> found) override;
  void rotated(InodeKey key) override;
  void gone(InodeKey key) override;
  void replaced(InodeKey key, size_t source) override;
  void withdraw(InodeKey key, size_t source) override;
  void relabel(InodeKey key, size_t source, pipeline::LabelSet labels) override;
  void change(ReaderChange change);
  FoundFiles found() const;

  // Does what is due, reading up to kBlocksPerTurn blocks of each file. Returns how long it may rest (0: there is more
  // to do; nothing: until something happens: wake() of a port, a write seen by watch_fd(), or one of the calls above).
  std::optional<std::chrono::nanoseconds> turn();

  void close();  // at the end: all ports' batches leave; no more turns

  // Readable: a quiet file was written to. -1 while files are polled anyhow: then writes wake nobody.
  int watch_fd() const { return active_.empty() ? watch_.fd() : -1; }
  std::vector<FileReader::Progress> progress() const;

 private:
  using nanoseconds = std::chrono::nanoseconds;

  void take_watch_events(nanoseconds now);
  void look_at_files(nanoseconds now);
  void check_quiet_files(nanoseconds now);
  bool look(TailedFile& tailed, nanoseconds now);  // false: the file is closed and not where it was
  void activate(TailedFile& tailed, nanoseconds now);
  [[nodiscard]] bool rest_if_quiet(TailedFile& tailed, nanoseconds now);
  TailedFile& add(std::unique_ptr<TailedFile> owned);
  TailedFile& insert(std::unique_ptr<TailedFile> owned);
  std::unique_ptr<TailedFile> take_out(TailedFile& tailed);

  // quiet_files.cc
  bool watch(TailedFile& tailed, nanoseconds now);
  [[nodiscard]] bool may_sleep(const TailedFile& tailed) const;
  void sleep(TailedFile& tailed);
  void sleep_at_once(TailedFile& tailed);
  [[nodiscard]] bool watch_sleepers(nanoseconds now);
  TailedFile* wake(FileId id, nanoseconds now);
  void wake_at(InodeKey key, nanoseconds now);
  void wake_changed(nanoseconds now);
  void note_deleted(TailedFile& tailed, uint64_t links, nanoseconds now);
  void give_up(TailedFile& tailed);

  void start_over(TailedFile& tailed);
  [[nodiscard]] std::vector<std::unique_ptr<TailedFile>> find_copies(const TailedFile& tailed);
  void read_copies(TailedFile& tailed, std::vector<std::unique_ptr<TailedFile>> copies);
  void read_copy(TailedFile& tailed, std::unique_ptr<TailedFile> owned);
  void look_at_gzip(TailedFile& tailed, const FileHandle::Status& status, nanoseconds now);
  [[nodiscard]] bool may_inflate(TailedFile& tailed);
  void gzip_read(TailedFile& tailed);
  void gzip_broken(TailedFile& tailed);
  void stop_inflating(TailedFile& tailed);

  [[nodiscard]] bool rebuild_some();
  [[nodiscard]] bool read_dirty(nanoseconds now);
  [[nodiscard]] bool elders_drained(const TailedFile& tailed, nanoseconds now);
  [[nodiscard]] bool read_some(TailedFile& tailed);
  bool read_block(TailedFile& tailed, Tail tail);
  void hand_on(TailedFile& tailed);
  void hand_on(TailedFile& tailed, uint64_t position);  // that was passed
  pipeline::UnixNanos next_read_time(TailedFile& tailed) const;
  void note_due(TailedFile& tailed);
  static uint64_t bytes_of(const pipeline::Batch& batch);  // of the file, in its entries
  void note_drops(TailedFile& tailed, uint64_t bytes_before, bool holding_before);
  void expire_held();

  void close_ports(const std::vector<size_t>& ports);
  void wake_restaged(const std::vector<size_t>& sources);
  void restage(TailedFile& tailed, const pipeline::StageList* old_stages);
  void read_again(TailedFile& tailed, const std::vector<pipeline::ByteRange>& lines);
  [[nodiscard]] TailedFile* find(InodeKey key, size_t source);
  void note_kept(TailedFile& tailed);
  void read_kept(TailedFile& tailed);
  void process_kept(TailedFile& tailed, uint64_t which, const std::vector<size_t>& rows, uint64_t passed);
  void flush_kept(TailedFile& tailed, const pipeline::StageList& stages, uint64_t passed);
  void hand_on_apart(TailedFile& tailed, const pipeline::Batch& batch, uint64_t passed);

  // parking.cc
  void close_quiet_files(nanoseconds now);
  void close_sleeping_files(nanoseconds since);
  void make_room(nanoseconds now, const TailedFile* wanted);
  [[nodiscard]] bool is_read(const TailedFile& tailed) const;
  [[nodiscard]] bool is_owed(const TailedFile& tailed) const;
  [[nodiscard]] bool open_again(TailedFile& tailed, nanoseconds now);
  void count_lost(TailedFile& tailed);
  uint64_t lose_rest(TailedFile& tailed, std::string_view reason);
  [[nodiscard]] uint64_t owed_bytes(const TailedFile& tailed) const;

  // held_bytes.cc
  void count_held(TailedFile& tailed);
  void note_held(TailedFile& tailed, uint64_t held);
  void hand_on_early();

  // carried_lines.cc
  void take_over_lines(TailedFile& tailed);
  void carry_over(TailedFile& from, TailedFile& to);
  [[nodiscard]] TailedFile* next_unread(const TailedFile& tailed);
  [[nodiscard]] bool goes_on(const TailedFile& tailed);
  static uint64_t settled(const TailedFile& tailed, uint64_t position);
  void release_elders(TailedFile& tailed);

  void finish_if_possible(TailedFile& tailed, nanoseconds now);
  void finish_lines(TailedFile& tailed);
  void flush_stages(TailedFile& tailed);
  void forget(TailedFile& tailed);
  void drop(TailedFile& tailed);
  [[nodiscard]] bool is_same_file(TailedFile& tailed);
  void count_lag(TailedFile& tailed);
  std::shared_ptr<PathMetrics> path_metrics(const TailedFile& tailed) const;
  pipeline::LabelTable::Id labels_of(TailedFile& tailed);
  void let_labels_go(TailedFile& tailed) const;

  // A sink that may fall behind the others.
  struct Lag {
    explicit Lag(MemoryBudget& memory) : owed(memory) {}
    OwedLines owed;
    Patience patience;
  };
  Lag& lag_of(size_t sink);
  [[nodiscard]] bool source_waits(size_t source);
  void hand_on_to(size_t sink, const TailedFile& tailed, const pipeline::Batch& batch, const FilePosition& passed);
  [[nodiscard]] bool pay_some();
  [[nodiscard]] bool choose_payable(OwedLines& owed);
  void pay(const OwedLines::Piece& piece, size_t sink);
  void pass_file(size_t sink, const FilePosition& passed);
  void forget_owed(const TailedFile& tailed);
  void count_lost(size_t sink, size_t source, FileId file, uint64_t bytes, uint64_t end);

  bool is_slowed(const TailedFile& tailed) const;
  void make_dirty(TailedFile& tailed);
  const SourceOptions& source_of(const TailedFile& tailed) const { return *sources_[tailed.file.source]; }

  const FileReaderOptions options_;
  std::vector<std::shared_ptr<const SourceOptions>> sources_;
  FileLedger& ledger_;
  MemoryBudget& memory_;
  const pipeline::Clock& clock_;
  ReaderEvents* events_ = nullptr;
  pipeline::Registry& registry_;
  pipeline::Counter& lost_bytes_;
  std::vector<std::unique_ptr<SourceMetrics>> metrics_;  // one per source
  pipeline::Gauge& unwatched_;

  pipeline::LabelTable labels_;
  const size_t most_label_sets_;  // in labels_
  pipeline::Batch batch_;
  pipeline::DropCounts drops_;
  BlockReader block_;
  const std::shared_ptr<DeletedFiles> deleted_;
  QuietWatch watch_;
  std::vector<std::unique_ptr<SinkPort>> ports_;
  std::vector<std::unique_ptr<Lag>> lags_;  // by port; those behind have none yet
  std::vector<RebuildJob> rebuild_jobs_;
  std::unique_ptr<Rebuilder> rebuilder_;  // until all jobs are done

  std::map<FileId, std::unique_ptr<TailedFile>> files_;  // those awake
  SleepingFiles sleeping_;
  std::deque<FileId> unwatched_sleepers_;  // of the first scan, if they have not woken since
  std::unordered_multimap<InodeKey, TailedFile*> by_inode_;
  std::unordered_map<uint64_t, std::vector<TailedFile*>> lineages_;  // in birth order
  std::vector<TailedFile*> active_;                                  // polled
  std::vector<TailedFile*> dirty_;
  std::vector<TailedFile*> holding_;         // their stages hold entries until StageState::due()
  uint64_t held_bytes_ = 0;                  // by stages, of all files
  std::map<size_t, TailedFile*> inflating_;  // by source: the compressed file that is read
  std::vector<uint64_t> tokens_;

  bool reading_ = false;  // scan_done() was called
  pipeline::UnixNanos last_read_time_ = 0;
  nanoseconds next_look_{0};          // of the active files
  nanoseconds next_check_{0};         // of all files
  nanoseconds next_closing_{0};       // of quiet files
  nanoseconds rebuild_by_{0};         // what cannot be read by then is lost
  pipeline::UnixNanos next_due_ = 0;  // of holding_; wall clock
  pipeline::LogLimiter read_errors_;
};

}  // namespace agent
