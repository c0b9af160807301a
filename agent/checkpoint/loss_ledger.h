// LossLedger: what was dropped of each file on its way to each sink, by reason and in bytes of the file; and why a sink
// stands still.
//
// Of a file and a sink, bytes below the sink's position are acked or dropped, those above wait. So drops are noted with
// the place in the file up to which they reach, and count once the position has passed it. What lies above is read, and
// noted, again after a restart: the store saves the sums together with the position they belong to.
//
// Entries of streams have no place that outlives the program: who numbers them (agent/ledger/stream_account.h) takes
// what was noted of them. What was lost of a sink's spool is kept there (agent/spool/spool_losses.h), and told here in
// the same way; the store does not save it.
//
// Thread: any. Limits: kMostPending notes above the position per file and sink; older ones of one reason are joined.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/checkpoint/records.h"
#include "pipeline/base/shared_text.h"

namespace agent {

// Joins what has one reason; the last detail is kept.
void add_dropped(std::vector<DroppedEntries>& all, const DroppedEntries& more);

class LossLedger {
 public:
  static constexpr size_t kMostPending = 1024;

  explicit LossLedger(const Resume& resume);
  void add_sink(const std::string& sink, const SinkResume& resume);

  // A reason is STEP:WHAT, for example "stages:probe", "sink:too_large", "read:max_line_size".
  // `bytes` of `file` that end at or before `end` go nowhere. `detail`: what somebody may want to read, the server's
  // text; the last one is kept.
  void note(const std::string& sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end,
            std::string_view detail = {});
  void forget(FileId file);

  // Sums below `position`, by reason.
  std::vector<DroppedBytes> below(const std::string& sink, FileId file, uint64_t position) const;
  // The sums that these positions change, to be saved with them.
  std::vector<DroppedBytes> pass(const std::string& sink, const std::vector<FilePosition>& positions);

  // The same of a stream: told before the sink's position passes them. Taken once, by who knows whose entries they are.
  void note_entries(const std::string& sink, FileId stream, LostEntries lost);
  std::vector<LostEntries> take_entries(const std::string& sink, FileId stream);

  // What was lost of a sink's spool: dropped there, or refused when it was sent. `is_known`: whose it was is told by
  // note_spooled_bytes(), or it is of a stream.
  void note_spooled(const std::string& sink, std::string_view reason, EntryVolume volume, std::string_view detail = {},
                    bool is_known = false);
  void note_spooled_bytes(const std::string& sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end,
                          std::string_view detail = {});
  void forget_spooled(const std::string& sink);  // all of it: it is told anew
  std::vector<DroppedEntries> spooled(const std::string& sink) const;
  std::vector<DroppedEntries> spooled_unknown(const std::string& sink) const;  // of these, nobody knows of which files

  // Why nothing is acked at the moment; empty: something is. True: it was something else before.
  [[nodiscard]] bool note_fault(const std::string& sink, std::string_view text, pipeline::UnixNanos now);
  SinkFault fault(const std::string& sink) const;

 private:
  struct Pending {
    pipeline::SharedText reason, detail;
    uint64_t bytes = 0, end = 0;
    bool spooled = false;
  };
  // A list sorted by reason, often of one: there may be one for each of very many files.
  struct Sum {
    pipeline::SharedText reason, detail;  // no reason: the list is empty
    uint64_t bytes = 0;
    std::unique_ptr<Sum> next = {};
  };
  struct Accounts {  // of one sink
    IdMap<FileId, Sum> sums;
    IdMap<FileId, Sum> spooled_sums;
    std::unordered_map<FileId, std::vector<Pending>> pending;
    std::unordered_map<FileId, std::vector<LostEntries>> entries;  // of streams
    std::vector<DroppedEntries> spooled, spooled_unknown;          // few
  };
  void add_pending(const std::string& sink, FileId file, Pending more);
  static void add(Sum& sums, const Pending& pending);
  static void append(const Sum& sums, FileId file, std::vector<DroppedBytes>& out);
  pipeline::SharedText reason_text(std::string_view reason);

  mutable std::mutex mutex_;
  std::map<std::string, Accounts> sinks_;                                // under mutex_
  std::map<std::string, SinkFault> faults_;                              // under mutex_
  std::set<pipeline::SharedText, pipeline::SharedText::Order> reasons_;  // under mutex_: one copy of each
};

}  // namespace agent
