// LogPart: what one thread does for a log query: it looks at pages and runs of the head and offers what it finds.
//
// Life:    one per thread and query; what it has offered refers to it (label sets, texts of streams), so it stays until
//          the result is made.
// Thread:  one at a time.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/query/entry_collector.h"
#include "server/query/hidden_rows.h"
#include "server/query/page_search.h"
#include "server/query/query_context.h"
#include "server/query/selection.h"

namespace server {

// What a log query looks at in one step: a page of a stored part, or a whole part of the head.
struct LogPiece {
  bool in_head = false;
  uint32_t part = 0, page = 0;        // in_head: no page
  pipeline::UnixNanos best_time = 0;  // no entry of it comes before that in the query's order
};

// What all parts share; read-only while they work.
struct LogSearch {
  const LogPipeline& pipeline;
  const Selection& selection;
  const Direction direction;
  bool backward() const { return direction == Direction::kBackward; }
};

class LogPart {
 public:
  explicit LogPart(const LogSearch& search);

  // Looks at `pieces`, best ones first, as far as both collectors want them. Offers to `into`; `known` is what other
  // parts have found up to now (may be the same). Unreadable pages are warnings. kCancelled.
  pipeline::Result<void> look_at(std::span<const LogPiece> pieces, EntryCollector& into, const EntryCollector& known,
                                 QueryTurn& turn);

  QueryStats stats;
  std::vector<std::string> warnings;
  bool objects_missing = false;  // one was deleted while it was read

 private:
  struct StreamText {
    LabelSet labels;
    std::string text;
  };
  struct Offers {
    EntryCollector& into;
    const EntryCollector& known;
    QueryTurn& turn;
    bool wanted(pipeline::UnixNanos time) const { return into.wants(time) && known.wants(time); }
  };

  PageCursor& cursor_of(uint32_t part, std::span<const LogPiece> pieces);
  pipeline::Result<void> look_at_page(const LogPiece& piece, PageCursor& cursor, const Offers& offers);
  void look_at_head(const LogPiece& piece, const Offers& offers);
  // The rows of a stream that lie in a run of a page or of the head.
  struct Run {
    const LabelSet& labels;
    std::string_view text;  // of the labels
    RowRange range;
    uint64_t place;
  };
  // True: every row of it may be kept. False: those in rows_.
  bool select(const Run& run, const EntrySlice& entries) {
    return page_search_.select(run.labels, entries, run.range, rows_);
  }
  void offer_run(const Run& run, const EntrySlice& entries, bool whole, const Offers& offers);
  const StreamText& text_of(uint32_t part, uint32_t ordinal);
  const StreamText& text_of(const Stream& stream);  // of the head

  const LogSearch& search_;
  HiddenRows hidden_;
  std::span<const uint32_t> hidden_now_;  // of the page being looked at
  LabelResults labels_;
  PipelineRun run_;
  PageSearch page_search_;
  std::map<std::pair<uint32_t, uint32_t>, StreamText> texts_;  // stable addresses, as the next
  std::map<const Stream*, StreamText> head_texts_;
  std::vector<std::pair<uint32_t, PageCursor>> cursors_;  // by part, of this call
  std::vector<PageCursor> spare_cursors_;                 // their buffers are used again
  std::vector<uint32_t> rows_;
};

}  // namespace server
