// Journal: entries of some journal files, in the order in which journald wrote them. The only door to libsystemd.
//
// Give it the files of one lineage (journal_files.h): then their order is that of their sequence numbers, and an entry
// written later always comes later. Of files of several writers libsystemd leaves out what is older than the place it
// has come to.
//
// Life:    open(), a seek, then next(); it sees what is appended to its files, not new files: open another one.
// Thread:  one, from open() to its end.
// Limits:  a compressed value longer than Options::longest_value may be given cut there.
// Errors:  kUnavailable from open(): libsystemd is not there. A damaged entry is left out by libsystemd; a damaged file
// is given up by it in silence: see held_bytes().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"

struct sd_journal;

namespace agent {

struct SystemdLibrary;

struct JournalField {
  std::string_view name;   // MESSAGE, _SYSTEMD_UNIT
  std::string_view value;  // any bytes; valid until the next call
};

class Journal {
 public:
  struct Options {
    std::vector<std::string> files;
    std::vector<std::string> matches;  // FIELD=value: equal fields are alternatives, different ones must all match
    size_t longest_value = 0;          // 0: no limit
  };
  // kNotFound: a file is not there (any more). kIo: permission. kCorrupt: not a journal file, or damaged. kInvalid: a
  // match is none.
  static pipeline::Result<std::unique_ptr<Journal>> open(const Options& options);

  // Each is followed by next().
  pipeline::Result<void> seek_head();
  pipeline::Result<void> seek_time(uint64_t realtime_us);         // to the first entry not before
  pipeline::Result<void> seek_cursor(const std::string& cursor);  // to this entry, else to the one after its place

  enum class Step { kEntry, kEnd };
  pipeline::Result<Step> next();

  // --- of the entry next() stands at; kCorrupt: it is damaged
  pipeline::Result<uint64_t> realtime_us();
  pipeline::Result<std::string> cursor();
  bool is_at(const std::string& cursor);
  enum class FieldStep { kField, kEnd, kDamaged };
  FieldStep next_field(JournalField& field);  // the first one after next()

  // Disk space of the files it still reads: less than that of the files it was given once it gave one up.
  uint64_t held_bytes();

 private:
  struct Close {
    std::shared_ptr<const SystemdLibrary> library;
    void operator()(sd_journal* journal) const;
  };
  Journal(sd_journal* journal, std::shared_ptr<const SystemdLibrary> library)
      : journal_(journal, Close{std::move(library)}) {}
  const SystemdLibrary& system() const { return *journal_.get_deleter().library; }
  std::unique_ptr<sd_journal, Close> journal_;
  bool fields_begun_ = false;
};

// Whether libsystemd takes `match` as FIELD=value.
bool is_journal_match(const std::string& match);

}  // namespace agent
