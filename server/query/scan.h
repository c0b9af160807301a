// Scan: everything a Selection holds, looked at page by page, on as many threads as the query has.
//
//   selection -> pieces (some pages of one object, or some runs of the head) -> parts, one per thread
//
// The head comes before the objects, and the selection lets go of it as soon as all of it was looked at: a query that
// takes long does not hold on to what was flushed meanwhile.
//
// Each part has a ScanPart with accumulators of its own; who called joins them afterwards. Pieces come to a part in
// that order, but which piece comes to which part is open: nothing may depend on the order of all entries.
//
// Thread:  of the query; ScanPart is called by one thread at a time.
// Errors:  kCancelled; what ScanPart::check() says. What cannot be read is a warning in the context.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "server/query/query_context.h"
#include "server/query/selection.h"

namespace server {

class ScanPart {
 public:
  virtual ~ScanPart() = default;

  // The cursor stands on a page of selection.stored[part]. An error says that the page could not be read: a warning.
  virtual pipeline::Result<void> page(size_t part, PageCursor& cursor) = 0;
  // All of selection.head[part].
  virtual void head(size_t part) = 0;
  // After each page and each run of the head: an error ends the query (memory, a pipeline error).
  virtual pipeline::Result<void> check() = 0;

  QueryTurn* turn = nullptr;          // of the thread that scans; filled by the scan
  QueryStats stats;                   // pages and bytes read are counted by the scan, entries by the part
  std::vector<std::string> warnings;  // filled by the scan
  bool objects_missing = false;       // likewise: one was deleted while it was read
};

using ScanParts = std::vector<std::unique_ptr<ScanPart>>;

// Statistics and warnings of the parts have been added to the context, also where the outcome is an error.
pipeline::Result<ScanParts> scan(Selection& selection, QueryContext& context,
                                 const std::function<std::unique_ptr<ScanPart>()>& make_part);

// What was read through `cursor`.
void count_reads(const PageCursor& cursor, QueryStats& stats);

std::string unreadable_page(const pipeline::Error& error);  // the warning

}  // namespace server
