#include "server/query/log_part.h"

#include <algorithm>

#include "server/query/scan.h"

namespace server {

using pipeline::Hash128;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

Hash128 entry_id(std::string_view stream, const EntrySlice& entries, size_t row) {
  uint64_t seed = pipeline::hash64(stream, static_cast<uint64_t>(entries.time(row)));
  std::string_view line = entries.line(row), metadata = entries.metadata(row).encoded();
  Hash128 id = pipeline::hash128(line);
  return {id.high ^ pipeline::hash64(metadata, seed), id.low ^ seed};
}

}  // namespace

LogPart::LogPart(const LogSearch& search)
    : search_(search),
      hidden_(search.selection),
      run_(search.pipeline, labels_, LeadingFilters::kDone),
      page_search_(search.pipeline) {}

// Over the pages of `part` among `pieces`, in their order.
PageCursor& LogPart::cursor_of(uint32_t part, std::span<const LogPiece> pieces) {
  for (auto& [of, cursor] : cursors_) {
    if (of == part) return cursor;
  }
  std::vector<uint32_t> pages;
  for (const LogPiece& piece : pieces) {
    if (!piece.in_head && piece.part == part) pages.push_back(piece.page);
  }
  const StoredPart& stored = search_.selection.stored[part];
  if (spare_cursors_.empty()) {
    cursors_.emplace_back(part, PageCursor(stored.object, std::move(pages)));
  } else {
    cursors_.emplace_back(part, std::move(spare_cursors_.back()));
    spare_cursors_.pop_back();
    cursors_.back().second.restart(stored.object, std::move(pages));
  }
  return cursors_.back().second;
}

Result<void> LogPart::look_at(std::span<const LogPiece> pieces, EntryCollector& into, const EntryCollector& known,
                              QueryTurn& turn) {
  const Offers offers{into, known, turn};
  Result<void> outcome;
  for (const LogPiece& piece : pieces) {
    outcome = turn.breathe();
    if (!outcome) break;
    if (!offers.wanted(piece.best_time)) {
      if (!piece.in_head) ++stats.pages_skipped_by_limit;
      continue;
    }
    if (piece.in_head) {
      look_at_head(piece, offers);
      continue;
    }
    PageCursor& cursor = cursor_of(piece.part, pieces);
    while (cursor.next() && cursor.page() != piece.page) {  // over those that nobody wanted
    }
    auto read = look_at_page(piece, cursor, offers);
    if (read) continue;
    warnings.push_back(unreadable_page(read.error()));
    objects_missing = objects_missing || read.error().code == pipeline::Errc::kNotFound;
  }
  for (auto& [part, cursor] : cursors_) {
    count_reads(cursor, stats);
    spare_cursors_.push_back(std::move(cursor));
  }
  cursors_.clear();
  return outcome;
}

// Columns are read when an entry is left that needs them.
Result<void> LogPart::look_at_page(const LogPiece& piece, PageCursor& cursor, const Offers& offers) {
  const StoredPart& stored = search_.selection.stored[piece.part];
  page_search_.begin_object(stored.object.get());
  if (page_search_.is_any()) {
    TRY_LET(std::string_view text, cursor.text());
    stats.store_line_bytes += text.size();
    if (!page_search_.may_match(text, stored, piece.page)) {
      stats.store_lines += stored.object->pages()[piece.page].rows;
      ++stats.pages_without_match;
      return {};
    }
  }
  TRY_LET(auto times, cursor.times());
  EntrySlice entries;
  bool has_metadata = false;
  TRY_LET(hidden_now_, hidden_.of_page(piece.part, cursor));
  for (const PageRun& run : stored.object->runs(piece.page)) {
    if (!stored.streams.contains(run.stream)) continue;
    RowRange range = rows_between(times, run, search_.selection.begin, search_.selection.end);
    if (range.empty() || !offers.wanted(times[search_.backward() ? range.last - 1 : range.first])) continue;
    if (entries.empty()) {
      TRY_LET(entries, cursor.lines());
      if (!page_search_.is_any()) stats.store_line_bytes += entries.line_bytes();
    }
    stats.store_lines += range.last - range.first;
    const StreamText& stream = text_of(piece.part, run.stream);
    const Run rows{stream.labels, stream.text, range, uint64_t{piece.part} << 44 | uint64_t{piece.page} << 24};
    const bool whole = select(rows, entries);
    if (!whole && rows_.empty()) continue;
    if (!has_metadata) {
      TRY(cursor.add_metadata(entries));
      stats.metadata_bytes += entries.metadata_bytes();
      has_metadata = true;
    }
    offer_run(rows, entries, whole, offers);
  }
  return {};
}

void LogPart::look_at_head(const LogPiece& piece, const Offers& offers) {
  const HeadPart& part = search_.selection.head[piece.part];
  stats.head_lines += part.entries.size();
  stats.head_bytes += part.entries.line_bytes();
  hidden_now_ = {};
  page_search_.begin_object(nullptr);
  const StreamText& stream = text_of(*part.stream);
  const Run rows{stream.labels,
                 stream.text,
                 {0, static_cast<uint32_t>(part.entries.size())},
                 uint64_t{search_.selection.stored.size() + piece.part} << 44};
  offer_run(rows, part.entries, select(rows, part.entries), offers);
}

// Best time first, until nobody wants more.
void LogPart::offer_run(const Run& run, const EntrySlice& entries, bool whole, const Offers& offers) {
  run_.begin_stream(run.labels);
  const uint64_t order = loki_stream_order(run.labels);
  const size_t count = whole ? run.range.last - run.range.first : rows_.size();
  for (size_t i = 0; i < count; ++i) {
    if (i % QueryTurn::kRowsUntilPause == 0) offers.turn.pause();
    const size_t at = search_.backward() ? count - 1 - i : i;
    const size_t row = whole ? run.range.first + at : rows_[at];
    const UnixNanos time = entries.time(row);
    if (!offers.wanted(time)) break;
    if (!hidden_now_.empty() && std::binary_search(hidden_now_.begin(), hidden_now_.end(), row)) continue;
    if (!run_.process(time, entries.line(row), entries.metadata(row))) continue;
    ++stats.lines_after_filters;
    const ResultLabels& result = labels_.at(run_.labels());
    offers.into.offer(
        {time, run.text, order, run.place + row, entry_id(run.text, entries, row), std::string(run_.line()), &result});
  }
}

const LogPart::StreamText& LogPart::text_of(uint32_t part, uint32_t ordinal) {
  auto [at, fresh] = texts_.try_emplace({part, ordinal});
  if (fresh) {
    const ObjectReader& object = *search_.selection.stored[part].object;
    at->second.labels = object.labels(object.streams()[ordinal]);
    at->second.text = at->second.labels.text();
  }
  return at->second;
}

const LogPart::StreamText& LogPart::text_of(const Stream& stream) {
  auto [at, fresh] = head_texts_.try_emplace(&stream);
  if (fresh) {
    at->second.labels = stream.labels();
    at->second.text = at->second.labels.text();
  }
  return at->second;
}

}  // namespace server
