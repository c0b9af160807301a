// StreamStanding: as FileStanding (standing.h), of a source that is no file, or of one container of it: entries, and
// bytes of their lines, since the agent ran first.
//
// Thread: any one.
#pragma once

#include <string>
#include <vector>

#include "agent/ledger/standing.h"

namespace agent {

struct StreamSinkStanding {
  std::string sink;
  EntryVolume acked, waiting;
  std::vector<DroppedEntries> dropped;
  SpoolStanding spool;  // of the sink
  std::string step, reason;
};

struct StreamStanding {
  std::string source, type;
  std::string place;     // "udp://127.0.0.1:514", "docker://web_1"
  EntryVolume received;  // by the sink that was given most
  std::vector<StreamSinkStanding> sinks;
  std::string step, reason;  // of the first sink that is not done
};

// `what`: the name of such a source, what /targets calls its path, or the name or id of a container. Empty: none is
// called so.
std::vector<StreamStanding> where_are_streams(const LedgerView& view, const std::string& what);

// Of the whole source, or of what `target` (of the source) alone has brought.
StreamStanding standing_of(const LedgerView& view, const SourceOptions& source, const Target* target = nullptr);

std::string stream_text(const std::vector<StreamStanding>& standings);
std::string stream_json(const StreamStanding& standing);
std::string stream_sinks_json(const std::vector<StreamSinkStanding>& sinks);  // an array

// An array of both.
std::string standings_json(const std::vector<FileStanding>& files, const std::vector<StreamStanding>& streams);

}  // namespace agent
