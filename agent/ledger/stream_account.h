// StreamAccount: what became of the entries of one source that is no file: for each sink, and each origin (a container;
// empty: not told apart), entries received = acked + waiting + dropped by reason; and the same in bytes of their lines.
//
// Entries are numbered from 1 in the order received, as in records.h. Whose a number is, is known until the positions
// of all sinks have passed it; what is dropped after that was in a spool and is in the account of that.
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

  // `sinks`: of the source, by slot (agent/configuration_change.h).
  explicit StreamAccount(std::vector<size_t> sinks) : sinks_(std::move(sinks)) {}
  void set_sinks(std::vector<size_t> sinks);  // from now on

  void receive(const std::string& origin, EntryVolume volume);          // the next ones
  void drop(const std::string& origin, const DroppedEntries& dropped);  // on their way to all sinks
  // On their way to one; before settle() is told that its position has passed them.
  void lose(size_t sink, const LostEntries& lost);
  void settle(uint64_t lowest);  // what all sinks have passed

  struct Sink {
    size_t slot = 0;
    std::string name;
    uint64_t position = 0;
  };
  // In the order of origins, then of `sinks`.
  std::vector<StreamLine> lines(const std::vector<Sink>& sinks) const;

  // What an earlier run has told of these sinks: what waited then is received again, or was never acknowledged to whom
  // it came from. Before anything else.
  void resume(const std::vector<StreamLine>& lines, const std::vector<Sink>& sinks);

 private:
  struct OfSink {
    EntryVolume received;
    std::vector<DroppedEntries> dropped;
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
  OfOrigin& of(const std::string& origin);
  void join_others(const std::string& but);

  mutable std::mutex mutex_;  // everything below
  std::vector<size_t> sinks_;
  std::map<std::string, OfOrigin, std::less<>> origins_;
  std::deque<Span> spans_;  // that not all sinks have passed
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
