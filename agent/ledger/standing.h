// Standing: how far a log is on its way to each sink, and where and why its next byte stands still.
//
//   discovery -> relabel -> open -> read -> stages -> batch -> checkpoint -> sink -> done       ("agent": it does not
//   run)
//
// Of a file and a sink: bytes written = acked + waiting + dropped by reason. Above the sink's position bytes wait;
// below it they wait in the sink's spool, or are dropped (by the spool, too), or acked by the far side. Thread: any
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/discovery/target.h"
#include "agent/ledger/stream_account.h"
#include "agent/source/source_options.h"

namespace agent {

// What waits in a sink's spool, and what was dropped of what it held: of all files and streams together. `unknown`: of
// that, what nobody knows the files of (an older version spooled it).
struct SpoolStanding {
  uint64_t batches = 0;
  EntryVolume waiting;
  std::vector<DroppedEntries> dropped, unknown;
  bool empty() const { return batches == 0 && dropped.empty(); }
};

// What is known of everything: by a running agent, or by the checkpoints that one left.
struct LedgerView {
  struct Sink {
    std::function<std::optional<uint64_t>(FileId)> position;
    std::function<std::vector<DroppedBytes>(FileId, uint64_t position)> dropped;  // below the position
    std::function<bool(FileId)> holds;    // something of it is in a batch without an ack
    std::function<bool(FileId)> spooled;  // something of it may be in the sink's spool; may be absent
    // Bytes of it below the position that wait in the sink's spool; may be absent.
    std::function<uint64_t(FileId, uint64_t position)> in_spool;
    SinkFault fault;
    SpoolStanding spool;
  };
  struct Stream {
    struct Way {
      FileId id;         // of which the sink knows a position
      std::string hold;  // a stage that keeps entries from the sink; empty: none
    };
    std::vector<StreamLine> lines;
    std::map<std::string, Way> ways;  // of a running agent, by sink
  };
  struct Reading {
    uint64_t bytes = 0;  // read so far
    uint64_t size_bytes = 0;
    bool paused = false;
  };
  bool running = false;
  std::vector<std::shared_ptr<const SourceOptions>> sources;  // as configured
  std::vector<std::string> sink_names;                        // SourceOptions::sinks index into these
  std::map<FileId, FileRecord> files;
  std::map<std::string, Sink> sinks;
  std::map<FileId, Reading> readings;     // of a running agent
  std::map<std::string, Stream> streams;  // of sources that are no files, by name
  std::vector<Target> targets;            // likewise; otherwise what the rules say of a path counts
  std::string store_trouble;              // why checkpoints cannot be written
};

struct SinkStanding {
  std::string sink;
  uint64_t acked = 0, waiting = 0;
  uint64_t in_spool = 0;  // of those that wait
  bool spooled = false;   // some of what counts as acked may be in the sink's spool, too: nobody knows of which files
  std::vector<DroppedBytes> dropped;
  SpoolStanding spool;  // of the sink
  std::string step, reason;
};

struct FileStanding {
  std::string source;  // empty: no source wants it
  std::string path;
  std::optional<FileId> file;  // none: nothing of it was read yet
  uint64_t size_bytes = 0;
  uint64_t read_bytes = 0;
  bool exists = false;
  std::vector<SinkStanding> sinks;
  std::string step, reason;  // of the first sink that is not done
};

// `what`: a path, POD, or NAMESPACE/POD[/CONTAINER]. Empty: nothing is known of it and it is not there.
std::vector<FileStanding> where_is(const LedgerView& view, const std::string& what);

// Of one known file. One that is being read is not looked at: its reader knows its size.
FileStanding standing_of(const LedgerView& view, FileId file);

std::string standing_text(const std::vector<FileStanding>& standings);
std::string standing_json(const FileStanding& standing);
std::string sinks_json(const std::vector<SinkStanding>& sinks);  // an array

// For what files and streams have in common.
struct Step {
  std::string step, reason;
};
Step step_of_reason(std::string_view reason, std::string_view detail);    // "stages:probe"
Step spooled_step(const LedgerView& view, const LedgerView::Sink& sink);  // what waits there
std::string spool_text(const std::string& sink, const SpoolStanding& spool);
std::string spool_json(const SpoolStanding& spool);

}  // namespace agent
