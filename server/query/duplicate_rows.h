// DuplicateRows: entries that a selection holds more than once: equal in stream, time, line and metadata, in different
// objects or in the head as well (a batch that was sent again without a number). Each such entry is to be counted once.
//
// How: only where runs of one stream from different places overlap in time are times read at all, and only where two
// times are equal are lines compared. On as many threads as the query has, which give way to other queries.
// Thread: of the query; the rows found: any.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "server/query/query_turn.h"
#include "server/query/selection.h"

namespace server {

class DuplicateRows {
 public:
  // Reads what it must of `selection`. A page that cannot be read has no duplicates: whoever reads it next reports it.
  // kCancelled.
  static pipeline::Result<DuplicateRows> find(const Selection& selection, QueryTurn& turn, QueryStats& stats);

  // Rows to leave out, rising. Of a page of selection.stored[part]; of selection.head[part].
  std::span<const uint32_t> of_page(size_t part, uint32_t page) const;
  std::span<const uint32_t> of_head(size_t part) const;
  bool empty() const { return pages_.empty() && head_.empty(); }

 private:
  friend class DuplicateFinder;
  std::map<std::pair<size_t, uint32_t>, std::vector<uint32_t>> pages_;
  std::map<size_t, std::vector<uint32_t>> head_;
};

}  // namespace server
