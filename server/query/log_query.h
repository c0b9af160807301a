// The execution of a log query: pages in the order of time, whole pages searched before lines are looked at, until
// nothing earlier (later) can be among the first `limit` entries.
//
// Thread: of the query.
// Errors: kCancelled, kOverLimit (memory). Unreadable pages are warnings in the
// result.
#pragma once

#include "server/logql/syntax.h"
#include "server/query/entry_collector.h"
#include "server/query/selection.h"

namespace server {

struct LogQueryOptions {
  Direction direction = Direction::kBackward;
  uint32_t limit = 100;
  std::chrono::nanoseconds interval{0};
  bool categorize_labels = false;  // keep structured metadata and parsed labels apart from the stream's
};

// The selection is of the context's view.
pipeline::Result<ResultStreams> run_log_query(const LogPipeline& pipeline, const LogQueryOptions& options,
                                              Selection& selection, QueryContext& context);

}  // namespace server
