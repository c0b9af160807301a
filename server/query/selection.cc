#include "server/query/selection.h"

#include <algorithm>
#include <utility>

#include "pipeline/base/invariant.h"
#include "server/erase/erasures.h"
#include "server/store/id_set.h"

namespace server {

using pipeline::Errc;
using pipeline::Matcher;
using pipeline::UnixNanos;

namespace {

bool strictly_rising(std::span<const UnixNanos> times) {
  return std::adjacent_find(times.begin(), times.end(), std::greater_equal<>()) == times.end();
}

// The part of `run` in [begin, end), in order of time.
void add_head_run(Selection& selection, const std::shared_ptr<const Stream>& stream, const HeadRun& run,
                  UnixNanos begin) {
  HeadPart part{stream, run.owner, run.entries};
  if (!strictly_rising(run.entries.times)) {
    auto sorted = std::make_shared<EntryColumns>();
    sorted->append(run.entries);
    sorted->sort_and_dedup();
    part.entries = sorted->slice();
    part.owner = std::move(sorted);
  }
  part.entries = part.entries.slice(part.entries.lower_bound(begin), part.entries.lower_bound(selection.end));
  if (!part.entries.empty()) selection.head.push_back(std::move(part));
}

void select_head(Selection& selection, const HeadSnapshot& head, std::span<const Matcher> matchers, QueryStats& stats) {
  for (const HeadPiece& piece : head.pieces) {
    for (const HeadStream& stream : *piece.streams) {
      if (!matches_all(matchers, *stream.stream)) continue;
      const UnixNanos begin = selection.erasures == nullptr
                                  ? selection.begin
                                  : std::max(selection.begin, selection.erasures->cutoff(stream.stream->labels()));
      ++stats.head_streams;
      ++stats.streams;
      if (begin >= selection.end) continue;  // all of that time is past the stream's retention
      for (const HeadRun& run : stream.runs) {
        if (run.max_time >= begin && run.min_time < selection.end) add_head_run(selection, stream.stream, run, begin);
      }
    }
  }
}

// Leaves out streams of which nothing exists any more, and notes whether others have lost some.
void leave_out_erased(const Selection& selection, StoredPart& part) {
  if (selection.erasures == nullptr) return;
  const ObjectReader& object = *part.object;
  if (selection.erasures->deletes().empty() && object.summary().min_time >= selection.erasures->newest()) return;
  Eraser eraser(selection.erasures, object.summary().deletes_applied);
  std::erase_if(part.streams.ordinals, [&](uint32_t ordinal) {
    const StreamInfo& stream = object.streams()[ordinal];
    const UnixNanos min = std::max(stream.min_time, selection.begin),
                    max = std::min(stream.max_time, selection.end - 1);
    if (min > max) return false;
    const LabelSet labels = object.labels(stream);
    eraser.begin_stream(labels);
    if (eraser.takes_all(min, max)) {
      part.streams.chosen[ordinal] = false;
      return true;
    }
    part.hides = part.hides || eraser.touches(min, max);
    return false;
  });
}

void count(const FilterReads& reads, QueryStats& stats) {
  stats.filter_reads += reads.ranges;
  stats.filter_bytes += reads.bytes;
  stats.filters_damaged += reads.damaged;
}

bool may_have_ids(const ObjectRow& row, QueryContext& context, std::span<const PageCondition> conditions) {
  FilterReads reads;
  const bool may = server::may_have_ids(context.readers.store(), row.key, row.summary, conditions, reads);
  count(reads, context.stats);
  context.stats.objects_skipped_by_filter += may ? 0 : 1;
  return may;
}

void filter_pages(StoredPart& part, std::span<const PageCondition> conditions, QueryStats& stats) {
  if (conditions.empty()) return;
  const size_t all = part.pages.size();
  FilterReads reads;
  part.pages = part.object->pages_with(conditions, part.streams, std::move(part.pages), reads);
  stats.pages_skipped_by_filter += all - part.pages.size();
  count(reads, stats);
}

void select_object(Selection& selection, const ObjectRow& row, QueryContext& context, std::span<const LabelTest> tests,
                   std::span<const PageCondition> conditions) {
  // The directory says which streams there are without a read where it is known; the ids are asked first where it is
  // not.
  const bool known = context.readers.find(row) != nullptr;
  if (!known && !may_have_ids(row, context, conditions)) return;
  auto reader = context.readers.open(row);
  if (!reader) {
    context.objects_missing = context.objects_missing || reader.error().code == Errc::kNotFound;
    context.warnings.push_back(unreadable_object(reader.error()));
    return;
  }
  QueryStats& stats = context.stats;
  StoredPart part{*reader, (*reader)->select(context.tenant, tests), {}};
  leave_out_erased(selection, part);
  if (part.streams.empty()) return;
  part.pages = (*reader)->pages_of(part.streams, selection.begin, selection.end);
  stats.streams += part.streams.ordinals.size();
  uint64_t all = 0;
  for (uint32_t ordinal : part.streams.ordinals) {
    const StreamInfo& info = (*reader)->streams()[ordinal];
    all += info.last_page - info.first_page + 1;
  }
  stats.pages_skipped_by_time += all - std::min<uint64_t>(all, part.pages.size());
  if (part.pages.empty()) return;
  ++stats.objects_opened;
  if (known && !may_have_ids(row, context, conditions)) {
    stats.pages_skipped_by_filter += part.pages.size();
    return;
  }
  filter_pages(part, conditions, stats);
  if (part.pages.empty()) return;
  selection.stored.push_back(std::move(part));
}

}  // namespace

bool matches_all(std::span<const Matcher> matchers, const Stream& stream) {
  const MetadataView labels = stream.label_views();
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& matcher) {
    return matcher.matches(labels.find(matcher.name()).value_or(std::string_view()));
  });
}

bool holds_tenant(const ObjectSummary& summary, std::string_view tenant) {
  return std::binary_search(summary.tenants.begin(), summary.tenants.end(), tenant);
}

std::string unreadable_object(const pipeline::Error& error) {
  return pipeline::concat("an object could not be read, its entries are missing: ", error.message);
}

std::vector<LabelTest> label_tests(std::span<const Matcher> matchers) {
  std::vector<LabelTest> tests;
  for (const Matcher& matcher : matchers) {
    tests.push_back(
        {matcher.name(), [&matcher](std::string_view value) { return matcher.matches(value); }, matcher.only_values()});
  }
  return tests;
}

Selection select_parts(QueryContext& context, std::span<const Matcher> matchers, UnixNanos begin, UnixNanos end,
                       std::span<const PageCondition> conditions) {
  Selection selection;
  selection.begin = begin, selection.end = end;
  if (context.view.erasures != nullptr && !context.view.erasures->empty()) {
    selection.erasures = context.view.erasures;
    selection.begin = begin = std::max(begin, selection.erasures->oldest());
  }
  if (begin >= end) return selection;
  std::vector<LabelTest> tests = label_tests(matchers);
  for (const ObjectRow& row : context.view.objects->objects) {
    const ObjectSummary& summary = row.summary;
    if (summary.max_time < begin || summary.min_time >= end || !holds_tenant(summary, context.tenant)) continue;
    ++context.stats.objects_considered;
    select_object(selection, row, context, tests, conditions);
  }
  select_head(selection, context.view.head, matchers, context.stats);
  if (context.selects_once) {
    INVARIANT(!std::exchange(context.head_is_taken, true));
    context.view.head.pieces.clear();
  }
  return selection;
}

RowRange rows_between(std::span<const UnixNanos> page_times, const PageRun& run, UnixNanos begin, UnixNanos end) {
  RowRange rows{run.first_row, run.first_row + run.rows};
  auto first = page_times.begin() + rows.first, last = page_times.begin() + rows.last;
  if (run.max_time >= end) rows.last = static_cast<uint32_t>(std::lower_bound(first, last, end) - page_times.begin());
  if (run.min_time < begin)
    rows.first = static_cast<uint32_t>(std::lower_bound(first, last, begin) - page_times.begin());
  return rows;
}

}  // namespace server
