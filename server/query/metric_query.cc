#include "server/query/metric_query.h"

#include <algorithm>

#include "server/logql/parser.h"
#include "server/logql/range_sums.h"
#include "server/query/duplicate_rows.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// Series times steps, in points of 8 bytes, that one range aggregation may hold.
constexpr uint64_t kMaxPoints = 50'000'000;

class RangeScan {
 public:
  RangeScan(const LogPipeline& pipeline, RangeSums& sums, LabelResults& labels, Selection& selection,
            const StepGrid& grid, const std::atomic<bool>& cancelled, QueryStats& stats)
      : pipeline_(pipeline),
        sums_(sums),
        labels_(labels),
        run_(pipeline, labels, LeadingFilters::kDone),
        selection_(selection),
        grid_(grid),
        cancelled_(cancelled),
        stats_(stats),
        duplicates_(DuplicateRows::find(selection, stats)) {}

  Result<void> run() {
    for (size_t part = 0; part < selection_.stored.size(); ++part) TRY(scan_object(part));
    for (size_t part = 0; part < selection_.head.size(); ++part) {
      const HeadPart& head = selection_.head[part];
      stats_.head_lines += head.entries.size();
      if (!times_suffice(head.entries.has_metadata())) stats_.head_bytes += head.entries.line_bytes();
      add_run(head.stream->labels, head.entries, {0, static_cast<uint32_t>(head.entries.size())},
              duplicates_.of_head(part));
      TRY(check());
    }
    return {};
  }

 private:
  // Neither the outcome nor the value of an entry depends on anything but its stream and its time.
  bool times_suffice(bool has_metadata) const {
    return pipeline_.leading().empty() && !pipeline_.reads_lines() && !(pipeline_.reads_metadata() && has_metadata) &&
           !sums_.counts_bytes();
  }

  Result<void> check() const {
    if (cancelled_.load(std::memory_order_relaxed))
      return fail(Errc::kCancelled, "the request was cancelled by the client");
    if (labels_.size() * uint64_t{grid_.count} > kMaxPoints) {
      return fail(
          Errc::kOverLimit,
          pipeline::concat("the query needs ", labels_.size(), " series at ", grid_.count,
                           " steps at once: aggregate with sum by (...), narrow the selector or use a larger step"));
    }
    return {};
  }

  Result<void> scan_object(size_t part) {
    const StoredPart& stored = selection_.stored[part];
    stream_labels_.clear();
    PageCursor cursor(stored.object, stored.pages);
    while (cursor.next()) {
      if (auto outcome = scan_page(part, cursor); !outcome) {
        selection_.warnings.push_back(
            pipeline::concat("a page could not be read, its entries are missing: ", outcome.error().message));
      }
      TRY(check());
    }
    stats_.compressed_bytes += cursor.stats().stored_bytes;
    stats_.decompressed_bytes += cursor.stats().decoded_bytes;
    stats_.pages_read += cursor.stats().pages;
    return {};
  }

  const LabelSet& labels_of(const ObjectReader& object, uint32_t ordinal) {
    auto [at, fresh] = stream_labels_.try_emplace(ordinal);
    if (fresh) at->second = object.labels(object.streams()[ordinal]);
    return at->second;
  }

  Result<void> scan_page(size_t part, PageCursor& cursor) {
    const StoredPart& stored = selection_.stored[part];
    const PageInfo& page = stored.object->pages()[cursor.page()];
    bool has_metadata = page.columns[static_cast<size_t>(PageColumn::kMetadata)].length > 0;
    EntrySlice entries;
    if (times_suffice(has_metadata)) {
      TRY_LET(entries.times, cursor.times());
    } else if (!pipeline_.leading().empty()) {
      TRY_LET(std::string_view text, cursor.text());
      stats_.store_line_bytes += text.size();
      if (!pipeline_.leading().may_match(text)) {
        stats_.store_lines += page.rows;
        return {};
      }
      TRY(load(cursor, text, has_metadata, entries));
    } else if (pipeline_.reads_lines() || (pipeline_.reads_metadata() && has_metadata)) {
      TRY_LET(entries, cursor.entries());
      stats_.store_line_bytes += entries.line_bytes();
    } else {  // only the lengths of the lines are counted
      TRY_LET(entries.times, cursor.times());
      TRY_LET(entries.offsets, cursor.offsets());
    }
    for (const PageRun& run : stored.object->runs(cursor.page())) {
      if (!stored.streams.contains(run.stream)) continue;
      RowRange rows = rows_between(entries.times, run, selection_.begin, selection_.end);
      if (rows.empty()) continue;
      stats_.store_lines += rows.last - rows.first;
      add_run(labels_of(*stored.object, run.stream), entries, rows, duplicates_.of_page(part, cursor.page()));
    }
    return {};
  }

  // All that the stages behind the leading filters need.
  Result<void> load(PageCursor& cursor, std::string_view text, bool has_metadata, EntrySlice& entries) {
    if (pipeline_.reads_metadata() && has_metadata) {
      TRY_LET(entries, cursor.entries());
      return {};
    }
    TRY_LET(entries.times, cursor.times());
    TRY_LET(entries.offsets, cursor.offsets());
    entries.text = text.data();
    return {};
  }

  // Rows of one stream; `left_out` are rows of the page, rising, that are counted elsewhere.
  void add_run(const LabelSet& stream, const EntrySlice& entries, RowRange range, std::span<const uint32_t> left_out) {
    run_.begin_stream(stream);
    auto first = std::lower_bound(left_out.begin(), left_out.end(), range.first),
         last = std::lower_bound(first, left_out.end(), range.last);
    left_out = {first, last};
    bool one_outcome = !pipeline_.reads_lines() && !(pipeline_.reads_metadata() && entries.has_metadata());
    if (pipeline_.leading().empty() && left_out.empty() && one_outcome) {
      add_whole(entries, range);
      return;
    }
    rows_.clear();
    if (pipeline_.leading().empty()) {
      for (uint32_t row = range.first; row < range.last; ++row) rows_.push_back(row);
    } else {
      uint32_t begin = entries.offsets[range.first], end = entries.offsets[range.last];
      pipeline_.leading().select({entries.text, end},
                                 entries.offsets.subspan(range.first + 1, range.last - range.first), rows_, begin);
      for (uint32_t& row : rows_) row += range.first;
    }
    if (!left_out.empty())
      std::erase_if(rows_, [&](uint32_t row) { return std::binary_search(left_out.begin(), left_out.end(), row); });
    if (one_outcome) {
      add_chosen(entries);
    } else {
      add_row_by_row(entries);
    }
  }

  // Every row of the range has the same outcome.
  void add_whole(const EntrySlice& entries, RowRange range) {
    if (!run_.process(entries.time(range.first), {}, {})) return;
    LabelResults::Id series = run_.labels();
    size_t count = range.last - range.first;
    stats_.lines_after_filters += count;
    if (sums_.counts_bytes()) {
      sums_.add_sorted(series, entries.times.subspan(range.first, count),
                       entries.offsets.subspan(range.first, count + 1));
    } else {
      sums_.add_sorted(series, entries.times.subspan(range.first, count));
    }
  }

  // Every row of rows_ has the same outcome.
  void add_chosen(const EntrySlice& entries) {
    if (rows_.empty() || !run_.process(entries.time(rows_[0]), {}, {})) return;
    LabelResults::Id series = run_.labels();
    stats_.lines_after_filters += rows_.size();
    if (sums_.counts_bytes()) {
      for (uint32_t row : rows_) sums_.add(series, entries.time(row), entries.line_size(row));
      return;
    }
    times_.clear();
    for (uint32_t row : rows_) times_.push_back(entries.time(row));
    sums_.add_sorted(series, times_);
  }

  void add_row_by_row(const EntrySlice& entries) {
    for (uint32_t row : rows_) {
      if (!run_.process(entries.time(row), entries.line(row), entries.metadata(row))) continue;
      ++stats_.lines_after_filters;
      sums_.add(run_.labels(), entries.time(row), run_.line().size());
    }
  }

  const LogPipeline& pipeline_;
  RangeSums& sums_;
  LabelResults& labels_;
  PipelineRun run_;
  Selection& selection_;
  const StepGrid grid_;
  const std::atomic<bool>& cancelled_;
  QueryStats& stats_;
  const DuplicateRows duplicates_;
  std::map<uint32_t, LabelSet> stream_labels_;  // of the object being scanned; stable addresses
  std::vector<uint32_t> rows_;                  // buffers, used again for every run
  std::vector<UnixNanos> times_;
};

}  // namespace

Result<Matrix> StoredRangeSource::read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid) {
  std::vector<pipeline::Matcher> matchers = compile_selector(aggregation.range.log.selector);
  EntryTimes times = entry_times(aggregation.range, grid);
  Selection selection = select_parts(view_, readers_, tenant_, matchers, times.begin, times.end, stats_);
  TRY_LET(LogPipeline pipeline, LogPipeline::compile(aggregation.range.log.stages, use));
  LabelResults labels;
  RangeSums sums(aggregation.op, aggregation.range, grid);
  auto outcome = RangeScan(pipeline, sums, labels, selection, grid, cancelled_, stats_).run();
  for (std::string& warning : selection.warnings) warnings_.push_back(std::move(warning));
  objects_missing_ = objects_missing_ || selection.objects_missing;
  TRY(outcome);
  RangeSums::Part part{&sums, &labels};
  return RangeSums::finish({&part, 1});
}

}  // namespace server
