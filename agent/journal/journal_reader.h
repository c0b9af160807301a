// JournalReader: what is new in the journals of one place, of all lineages together in the order of time, as far as
// each has something.
//
// Life:    open(), then read() and wait() in turn; after an error, open() again. It follows rotation, vacuuming and new
//          journals by itself. It remembers how far it has read; how far entries were delivered is the caller's matter.
// Thread:  one, which has a BusGuard.
// Limits:  per open journal file some pages that are mapped; a line up to max_line_bytes and one label set at a time.
// Errors:  a damaged file is told once (log, metric) and left out; the others go on.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/journal/bus_guard.h"
#include "agent/journal/journal_files.h"
#include "agent/journal/journal_metrics.h"
#include "agent/journal/journal_options.h"
#include "agent/journal/lineage_reader.h"
#include "pipeline/base/clock.h"
#include "pipeline/model/label_set.h"

namespace agent {

class JournalReader {
 public:
  using Bookmarks = std::map<std::string, std::string>;  // text of a Bookmark by lineage

  // `bookmarks`: how far entries were delivered in an earlier run.
  JournalReader(const JournalOptions& options, const Bookmarks& bookmarks, const BusGuard& guard,
                const pipeline::Clock& clock, JournalMetrics& metrics);
  ~JournalReader();

  // Opens everything anew, from where it has read to. kNotFound, kIo, kCorrupt: there is nothing to read, and why; it
  // looks again by itself.
  pipeline::Result<void> open();

  // Hands on entries until some `limit_bytes` of lines are reached or there are no more. `labels` stays the same object
  // for entries with equal labels that follow each other. Returns how many entries were passed, with those that were
  // not handed on. kCorrupt: forget what was handed on by this call; it comes again after open().
  using Take = std::function<void(const pipeline::LabelSet& labels, pipeline::UnixNanos time, const std::string& line)>;
  pipeline::Result<uint64_t> read(size_t limit_bytes, const Take& take);

  // The bookmarks that moved since the last call; an empty text: its lineage is gone.
  Bookmarks moved();

  // Until there may be something new, `wake_fd` is readable, or `longest` is over.
  void wait(int wake_fd, std::chrono::nanoseconds longest);

  // Why nothing is read; empty: something is.
  const std::string& unready() const { return unready_; }
  // Why something in the place is not read; empty: all is.
  std::string fault() const;
  std::vector<std::string> files() const;

 private:
  struct Lineage {
    std::string id, machine;
    std::unique_ptr<LineageReader> reader;  // null: cannot be opened now
    std::vector<JournalFile> files;         // as listed; the reader may have left out some
    std::string fault;                      // of one that is not read, or not all of it
    bool changed = false;                   // the reader is to be opened anew once it is at its end
    bool queued = false;                    // is in ready_
    bool moved = false;
    uint64_t entries = 0;  // since it was opened
  };

  pipeline::Result<void> list();
  pipeline::Result<void> look_at_folders();
  void forget_gone(const JournalListing& listing);
  void tell_faults(const JournalListing& listing);
  void open_lineage(Lineage& lineage);
  LineageStart start_of(const Lineage& lineage) const;
  void report(Lineage& lineage, const LineageReader::Report& report);
  pipeline::Result<void> advance(Lineage& lineage);
  pipeline::Result<void> reopen(Lineage& lineage);
  bool maps_much(const Lineage& lineage) const;
  void queue(Lineage& lineage);
  pipeline::Result<void> check_bus() const;
  void look_again();
  void hand_on(Lineage& lineage, const Take& take);
  bool read_entry(Lineage& lineage);
  bool read_fields(Journal& journal);
  bool read_json(Journal& journal);
  void cut_line();
  void tell_damaged(const std::string& path, const std::string& why);
  void look_for_given_up();

  const JournalOptions& options_;
  const BusGuard& guard_;
  const pipeline::Clock& clock_;
  JournalMetrics& metrics_;

  std::map<std::string, Bookmark> marks_;        // how far it has read
  std::map<std::string, std::string> machines_;  // of lineages that are or were there
  std::map<std::string, std::unique_ptr<Lineage>> lineages_;
  std::multimap<uint64_t, Lineage*> ready_;  // that have an entry, by its time
  Lineage* current_ = nullptr;               // whose entry was taken last
  std::vector<std::string> gone_;            // lineages
  JournalWatch watch_;
  bool watches_all_ = false;
  std::chrono::nanoseconds next_list_{0}, next_check_{0};
  std::set<std::string> told_;  // damaged files that were told of
  std::string unready_, fault_;
  uint64_t bus_faults_ = 0;

  // of the entry at hand
  bool has_message_ = false;
  std::string line_;
  size_t cut_bytes_ = 0;  // of the line: they were too many
  std::vector<std::string> values_;
  std::map<std::string, std::string> all_values_;
  pipeline::LabelSet labels_;
  std::vector<std::string> label_values_;  // those labels_ was made of
};

}  // namespace agent
