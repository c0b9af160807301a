// PageSearch: which lines of a page a pipeline can keep at all, found in one search over the text of the page: by the
// leading line filters, or by the texts that a label filter behind a parser implies (implied_text.h), where neither a
// stream nor metadata can hold that label.
//
// Life:    refers to the pipeline. Thread: one at a time.
#pragma once

#include <string_view>
#include <vector>

#include "server/logql/implied_text.h"
#include "server/logql/log_pipeline.h"
#include "server/query/selection.h"

namespace server {

class PageSearch {
 public:
  explicit PageSearch(const LogPipeline& pipeline) : pipeline_(pipeline) {}

  // What follows is of this object; nullptr: of the head.
  void begin_object(const ObjectReader* object);
  // False: there is nothing to search for.
  bool is_any() const { return !pipeline_.leading().empty() || implied_ != nullptr; }
  // False: no entry of the chosen streams of `page` is kept.
  bool may_match(std::string_view text, const StoredPart& stored, uint32_t page) const;
  // Puts the rows of `range`, all of `stream`, that may be kept into `rows`. True: all of them; then `rows` is empty.
  bool select(const LabelSet& stream, const EntrySlice& entries, RowRange range, std::vector<uint32_t>& rows) const;

 private:
  const LogPipeline& pipeline_;
  const ImpliedText* implied_ = nullptr;  // where it can be searched for in this object
};

}  // namespace server
