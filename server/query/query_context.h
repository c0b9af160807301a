// QueryContext: what the parts of one running query share. Made by the engine for each attempt.
#pragma once

#include <string>
#include <vector>

#include "server/ingest/read_view.h"
#include "server/query/query_memory.h"
#include "server/query/query_stats.h"
#include "server/query/query_turn.h"
#include "server/query/reader_cache.h"

namespace server {

struct QueryPlan;

struct QueryContext {
  const std::string& tenant;
  ReadView& view;  // one snapshot, from the first page to the last
  ReaderCache& readers;
  QueryTurn& turn;
  QueryMemory& memory;
  QueryStats& stats;
  std::vector<std::string>& warnings;  // of what could not be read
  QueryPlan* plan = nullptr;           // where somebody asked for it
  bool objects_missing = false;        // one was deleted meanwhile: a fresh view does better
  // Nothing will be selected from the view after the next selection, which takes the head out of it: what has been
  // flushed since is let go as soon as it was looked at, and not when the query ends.
  bool selects_once = false;
  bool head_is_taken = false;  // and has been
};

}  // namespace server
