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
  const ReadView& view;  // one snapshot, from the first page to the last
  ReaderCache& readers;
  QueryTurn& turn;
  QueryMemory& memory;
  QueryStats& stats;
  std::vector<std::string>& warnings;  // of what could not be read
  QueryPlan* plan = nullptr;           // where somebody asked for it
  bool objects_missing = false;        // one was deleted meanwhile: a fresh view does better
};

}  // namespace server
