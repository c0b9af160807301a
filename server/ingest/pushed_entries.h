// PushedEntries: the accepted entries of one push, decoded: what goes into the head once the log has them.
#pragma once

#include <memory>
#include <vector>

#include "server/ingest/column_pool.h"
#include "server/ingest/head_snapshot.h"
#include "server/store/columns.h"

namespace server {

struct PushedEntries {
  // Rows [begin, end) of `columns` belong to `stream`; a stream may come more than once.
  struct Part {
    std::shared_ptr<const Stream> stream;
    uint32_t begin = 0, end = 0;
    pipeline::UnixNanos min_time = 0, max_time = 0;
    // Lines, and names and values of structured metadata but detected_level: what Loki takes for the bytes of a push.
    uint64_t counted_bytes = 0;
  };
  std::vector<Part> parts;
  EntryColumns columns;
  std::shared_ptr<ColumnPool> pool;  // that `columns` go back to when nobody needs them any more; null: none
  size_t text_room = 0;              // as ColumnPool::Loan has it

  bool empty() const { return columns.empty(); }
  uint64_t raw_bytes() const { return columns.line_bytes() + columns.metadata_bytes(); }
};

}  // namespace server
