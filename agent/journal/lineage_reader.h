// LineageReader: the entries of one lineage of journal files, from a bookmark on, each with its time.
//
//   while (reader.advance(), reader.has_entry()) { time = reader.take(); read reader.journal()'s fields }
//
// Life:    opened for the files that are there; when they change it is read to its end and opened again, at mark().
// Thread:  one.
// Errors:  kCorrupt: none of its files can be read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/journal/bookmark.h"
#include "agent/journal/journal.h"
#include "agent/journal/journal_files.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace agent {

// Where to begin.
struct LineageStart {
  std::optional<Bookmark> bookmark;   // of this lineage
  std::vector<Bookmark> others;       // without one: of lineages of the same machine, which may hold copies of entries
  std::optional<uint64_t> oldest_us;  // entries before are left out
};

class LineageReader {
 public:
  // What the start came upon.
  struct Report {
    std::vector<JournalListing::Fault> damaged;  // files left out
    uint64_t vacuumed = 0, too_old = 0;          // entries behind the bookmark that are not read
  };
  static pipeline::Result<std::unique_ptr<LineageReader>> open(const JournalLineage& lineage, Journal::Options options,
                                                               const LineageStart& start, Report& report);

  // To the next entry, if there is none at hand that was not taken. kCorrupt, kIo: it cannot go on.
  pipeline::Result<void> advance();
  bool has_entry() const { return has_entry_; }
  uint64_t realtime_us() const { return realtime_us_; }  // of the entry at hand
  // Its time; from now on it counts as read.
  pipeline::UnixNanos take();
  Journal& journal() { return *journal_; }
  // Looks whether the entry at hand, which was not taken, is followed by another one: then it is written to its end.
  // kGone: it was removed meanwhile, and is at hand no more. Afterwards its fields are read from the first one again.
  enum class Follower { kThere, kNone, kGone };
  pipeline::Result<Follower> look_ahead();

  // Of the last entry taken, or as at the start. Before advance(), or when that came to the end.
  pipeline::Result<Bookmark> mark();
  // Keeps mark(), which advance() would lose when it finds an entry.
  pipeline::Result<void> keep_mark();

  // Entries that could not be read since the last call.
  uint64_t take_damaged() { return std::exchange(damaged_, 0); }

  const std::vector<JournalFile>& files() const { return files_; }
  // The file that libsystemd has given up since the opening, as far as that can be told; empty: none.
  std::string given_up();

 private:
  LineageReader(std::unique_ptr<Journal> journal, std::vector<JournalFile> files)
      : journal_(std::move(journal)), files_(std::move(files)) {}
  pipeline::Result<void> begin(const LineageStart& start, Report& report);
  pipeline::Result<void> begin_at(const Bookmark& bookmark, Report& report);
  pipeline::Result<void> begin_new(const LineageStart& start);
  pipeline::Result<void> leave_out(uint64_t oldest_us, const LineageStart& start, Report& report);
  pipeline::Result<void> step();

  std::unique_ptr<Journal> journal_;
  std::vector<JournalFile> files_;
  bool has_entry_ = false;
  bool taken_ = false;        // an entry since the last mark was made
  uint64_t realtime_us_ = 0;  // of the entry at hand
  uint64_t last_us_ = 0;      // of the last one taken
  uint64_t last_step_ = 0;
  Bookmark mark_;  // of an earlier one, while taken_
  uint64_t given_up_bytes_ = 0, damaged_ = 0;
};

}  // namespace agent
