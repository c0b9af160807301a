// StreamAccount: what became of the entries of one source that is no file: for each sink, and each origin (a container;
// empty: not told apart), entries received = acked + waiting + dropped by reason; and the same in bytes of their lines.
//
// Entries are numbered from 1 in the order received, as in records.h. Whose a number is, is known until the positions
// of all sinks have passed it; what is dropped after that was in a spool and is in the account of that.
//
// Of a source that can be read again, entries above its cursors are received again after a restart. So what is to be
// saved with the cursors (saved_lines) counts as acked and dropped just what they have passed (pass).
//
// Thread: any. Limits: kMostOrigins; beyond, the one that was heard of least recently is counted among kOthers.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/checkpoint/records.h"

namespace agent {

// Of one origin and sink.
struct StreamLine {
  std::string origin, sink;
  EntryVolume received, acked, waiting;
  std::vector<DroppedEntries> dropped;
  bool operator==(const StreamLine&) const = default;
};

class StreamAccount {
 public:
  static constexpr size_t kMostOrigins = 256;
  static constexpr std::string_view kOthers = "(others)";

  enum class Again { kNo, kYes };  // can the source be read again, from cursors?

  // `sinks`: of the source, by slot (agent/configuration_change.h).
  explicit StreamAccount(std::vector<size_t> sinks, Again again = Again::kNo)
      : sinks_(std::move(sinks)), again_(again) {}
  void change(std::vector<size_t> sinks, Again again);  // from now on

  void receive(const std::string& origin, EntryVolume volume);  // the next ones
  // On their way to all sinks; all of them are numbered below `end`.
  void drop(const std::string& origin, const DroppedEntries& dropped, uint64_t end);
  // On their way to one; before settle() is told that its position has passed them.
  void lose(size_t sink, const LostEntries& lost);
  void settle(uint64_t lowest);  // what all sinks have passed
  // The cursors saved from now on have passed what is numbered below `end`; the end of what was received at once.
  void pass(uint64_t end);

  struct Sink {
    size_t slot = 0;
    std::string name;
    uint64_t position = 0;
  };
  // In the order of origins, then of `sinks`.
  std::vector<StreamLine> lines(const std::vector<Sink>& sinks) const;
  // The same, as resume() needs it: what waits is also what the cursors have not passed.
  std::vector<StreamLine> saved_lines(const std::vector<Sink>& sinks) const;

  // What an earlier run has saved of these sinks: what waited then is received again, or was never acknowledged to whom
  // it came from. Before anything else.
  void resume(const std::vector<StreamLine>& lines, const std::vector<Sink>& sinks);

 private:
  struct Sums {
    EntryVolume received;
    std::vector<DroppedEntries> dropped;
    void add(const Sums& more);
  };
  struct OfSink : Sums {
    Sums passed;  // by the cursors
  };
  struct OfOrigin {
    std::map<size_t, OfSink> sinks;
    uint64_t heard = 0;  // the number of its last entry
  };
  struct Span {  // entries of one origin in a row
    uint64_t begin = 0, end = 0;
    uint64_t bytes = 0;
    std::string origin;
  };
  struct Volume {  // received at once
    uint64_t end = 0;
    EntryVolume volume;
    std::string origin;
    std::vector<size_t> sinks;
  };
  struct Drop {
    std::string origin;
    size_t sink = 0;
    DroppedEntries dropped;
  };
  OfOrigin& of(const std::string& origin);
  void join_others(const std::string& but);
  std::vector<StreamLine> lines_now(const std::vector<Sink>& sinks) const;
  void note_drop(const std::string& origin, size_t sink, const DroppedEntries& dropped, uint64_t end);

  mutable std::mutex mutex_;  // everything below
  std::vector<size_t> sinks_;
  Again again_;
  std::map<std::string, OfOrigin, std::less<>> origins_;
  std::deque<Span> spans_;                      // that not all sinks have passed
  std::deque<Volume> volumes_;                  // that no cursor has passed, if it can be read again
  std::multimap<uint64_t, Drop> drops_by_end_;  // likewise
  uint64_t next_ = 1;
};

// As it is kept in the checkpoint store: among the cursors of a source without a name, which no source can be called.
inline const std::string kLedgerCursors;
using Cursors = std::map<std::string, std::string>;
std::string stream_ledger_key(const std::string& source);
std::string spool_ledger_key(const std::string& sink);
std::vector<StreamLine> stream_ledger_of(const Cursors& cursors, const std::string& source);
std::vector<DroppedEntries> spool_ledger_of(const Cursors& cursors, const std::string& sink);

std::string stream_lines_text(const std::vector<StreamLine>& lines);
std::vector<StreamLine> parse_stream_lines(std::string_view text);
std::string dropped_entries_text(const std::vector<DroppedEntries>& dropped);
std::vector<DroppedEntries> parse_dropped_entries(std::string_view text);

}  // namespace agent
