// HiddenRows: rows of a selection's pages that exist no more (requests to delete, retention), found page by page as
// they are read. Only parts with StoredPart::hides have any.
//
// Life: refers to the selection. Thread: one at a time.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "server/erase/erasures.h"
#include "server/query/selection.h"

namespace server {

class HiddenRows {
 public:
  explicit HiddenRows(const Selection& selection) : selection_(selection) {}

  // True: some row of the chosen streams may be hidden; of_page() says which.
  bool may_hide(size_t part, uint32_t page);
  // Rows of the chosen streams on the page that the cursor stands on, rising; valid until the next call.
  pipeline::Result<std::span<const uint32_t>> of_page(size_t part, PageCursor& cursor);
  // Whether row 0 of `entry`, of a stream of the part, is hidden.
  bool hides(size_t part, uint32_t stream, const EntrySlice& entry);

 private:
  Eraser& eraser_of(size_t part);
  void begin_stream(size_t part, uint32_t stream);

  const Selection& selection_;
  std::map<size_t, Eraser> erasers_;  // by part
  LabelSet labels_;                   // of the stream begun last
  std::vector<uint32_t> rows_;
};

}  // namespace server
