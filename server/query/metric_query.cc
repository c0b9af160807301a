#include "server/query/metric_query.h"

#include <algorithm>

#include "server/logql/page_conditions.h"
#include "server/logql/parser.h"
#include "server/logql/range_values.h"
#include "server/query/duplicate_rows.h"
#include "server/query/group_tally.h"
#include "server/query/hidden_rows.h"
#include "server/query/page_search.h"
#include "server/query/query_plan.h"
#include "server/query/scan.h"
#include "server/query/selection.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// What all parts of a scan share; read-only.
struct RangeJob {
  const LogPipeline& pipeline;
  const RangeAggregation& aggregation;
  const StepGrid& grid;
  const Selection& selection;
  const DuplicateRows& duplicates;
  QueryMemory& memory;
};

class RangeScan final : public ScanPart {
 public:
  explicit RangeScan(const RangeJob& job)
      : job_(job),
        pipeline_(job.pipeline),
        values_(job.aggregation, job.grid),
        run_(job.pipeline, labels_, LeadingFilters::kDone),
        memory_(job.memory, std::string(range_op_text(job.aggregation.op))),
        tally_(run_, values_),
        hidden_(job.selection),
        search_(job.pipeline) {
    if (const auto* names = pipeline_.metadata_names()) {
      names_ = *names;
      for (std::string_view error : {kErrorLabel, kErrorDetailsLabel}) names_->emplace_back(error);
    }
  }

  RangeValues::Part values() { return {&values_, &labels_}; }

  Result<void> page(size_t part, PageCursor& cursor) override {
    if (part != part_) begin_object(part);
    return scan_page(part, cursor);
  }

  void head(size_t part) override {
    const HeadPart& head = job_.selection.head[part];
    groups_.metadata.clear();
    search_.begin_object(nullptr);
    part_ = SIZE_MAX;
    stats.head_lines += head.entries.size();
    if (!times_suffice(head.entries.has_metadata())) stats.head_bytes += head.entries.line_bytes();
    const RowRange all{0, static_cast<uint32_t>(head.entries.size())};
    if (head_stream_ != head.stream) head_stream_ = head.stream, head_labels_ = head.stream->labels();
    const bool whole = begin_run(head_labels_, head.entries, all, job_.duplicates.of_head(part));
    add_run(head.entries, all, whole);
  }

  Result<void> check() override {
    return memory_.hold(labels_.size() * kSeriesBytes + values_.size_bytes(), labels_.size());
  }

 private:
  static constexpr uint64_t kSeriesBytes = 500;  // labels and their places in tables, about

  // Neither the outcome nor the value of an entry depends on anything but its stream and its time.
  bool times_suffice(bool has_metadata) const {
    return pipeline_.leading().empty() && !pipeline_.reads_lines() && !(pipeline_.reads_metadata() && has_metadata) &&
           values_.input() != RangeValues::Input::kBytes;
  }

  void begin_object(size_t part) {
    const ObjectReader& object = *job_.selection.stored[part].object;
    part_ = part;
    labelled_ = UINT32_MAX;
    search_.begin_object(&object);
    const auto& names = object.metadata_names();
    auto matters = [this](const std::string& name) {
      return !names_ || std::find(names_->begin(), names_->end(), name) != names_->end();
    };
    metadata_matter_ = std::any_of(names.begin(), names.end(), matters);
  }

  const LabelSet& labels_of(const ObjectReader& object, uint32_t ordinal) {
    if (labelled_ != ordinal) {  // runs come in the order of streams: the last is all that is met again
      stream_labels_ = object.labels(object.streams()[ordinal]);
      labelled_ = ordinal;
    }
    return stream_labels_;
  }

  // Counts a page of which the directory alone says enough: which streams, how many rows, and that their times fall
  // into one bucket each. False: its times have to be read.
  bool count_unread(size_t part, const PageCursor& cursor) {
    if (!job_.duplicates.of_page(part, cursor.page()).empty() || hidden_.may_hide(part, cursor.page())) return false;
    const StoredPart& stored = job_.selection.stored[part];
    const auto runs = stored.object->runs(cursor.page());
    const Selection& selection = job_.selection;
    for (const PageRun& run : runs) {
      if (!stored.streams.contains(run.stream)) continue;
      if (run.min_time < selection.begin || run.max_time >= selection.end) return false;
      if (run.max_time > values_.bucket_last(run.min_time)) return false;
    }
    for (const PageRun& run : runs) {
      if (!stored.streams.contains(run.stream)) continue;
      stats.store_lines += run.rows;
      run_.begin_stream(labels_of(*stored.object, run.stream));
      if (!run_.process(run.min_time, {}, {})) continue;
      stats.lines_after_filters += run.rows;
      values_.add_sum(run_.labels(), run.min_time, run.rows);
    }
    return true;
  }

  Result<void> scan_page(size_t part, PageCursor& cursor) {
    const StoredPart& stored = job_.selection.stored[part];
    const PageInfo& page = stored.object->pages()[cursor.page()];
    const bool has_metadata = metadata_matter_ && page.column(PageColumn::kMetadata).length > 0;
    EntrySlice entries;
    groups_.metadata.clear();
    if (times_suffice(has_metadata)) {
      if (values_.input() == RangeValues::Input::kTime && count_unread(part, cursor)) return {};
      TRY_LET(entries.times, cursor.times());
    } else {
      if (search_.is_any()) {
        TRY_LET(std::string_view text, cursor.text());
        stats.store_line_bytes += text.size();
        if (!search_.may_match(text, stored, cursor.page())) {
          stats.store_lines += page.rows;
          ++stats.pages_without_match;
          return {};
        }
      }
      TRY_LET(entries, load(cursor, has_metadata));
      if (!search_.is_any() && pipeline_.reads_lines()) stats.store_line_bytes += entries.line_bytes();
    }
    // Where lines are read, metadata are when a line is left.
    bool lacks_metadata = has_metadata && pipeline_.reads_lines() && pipeline_.reads_metadata();
    TRY_LET(auto left_out, left_out_of(part, cursor));
    for (const PageRun& run : stored.object->runs(cursor.page())) {
      if (!stored.streams.contains(run.stream)) continue;
      RowRange rows = rows_between(entries.times, run, job_.selection.begin, job_.selection.end);
      if (rows.empty()) continue;
      stats.store_lines += rows.last - rows.first;
      const LabelSet& stream = labels_of(*stored.object, run.stream);
      turn->pause();
      const bool whole = begin_run(stream, entries, rows, left_out);
      if (lacks_metadata && !rows_.empty()) {
        TRY(cursor.add_metadata(entries));
        lacks_metadata = false;
      }
      add_run(entries, rows, whole);
    }
    return {};
  }

  // Rows of the page that are counted elsewhere, or exist no more.
  Result<std::span<const uint32_t>> left_out_of(size_t part, PageCursor& cursor) {
    const std::span<const uint32_t> duplicates = job_.duplicates.of_page(part, cursor.page());
    TRY_LET(auto hidden, hidden_.of_page(part, cursor));
    if (hidden.empty()) return duplicates;
    left_out_.clear();
    std::set_union(duplicates.begin(), duplicates.end(), hidden.begin(), hidden.end(), std::back_inserter(left_out_));
    return std::span<const uint32_t>(left_out_);
  }

  // The columns that are needed. Metadata come by groups, if lines are not read besides and the groups are few.
  Result<EntrySlice> load(PageCursor& cursor, bool has_metadata) {
    if (pipeline_.reads_lines()) return cursor.lines();
    const bool reads_metadata = pipeline_.reads_metadata() && has_metadata;
    if (reads_metadata) TRY(cursor.metadata_groups(names_ ? &*names_ : nullptr, groups_));
    EntrySlice entries;
    if (reads_metadata && !groups_.exist()) {
      TRY_LET(entries, cursor.entries_without_text());
    } else {
      TRY_LET(entries.times, cursor.times());
      const bool measures = values_.input() == RangeValues::Input::kBytes;
      if (measures || !pipeline_.leading().empty()) { TRY_LET(entries.offsets, cursor.offsets()); }
    }
    if (!pipeline_.leading().empty()) {
      TRY_LET(std::string_view text, cursor.text());
      entries.text = text.data();
    }
    return entries;
  }

  // Chooses of the rows of one stream; `left_out` are rows of the page, rising, that are counted elsewhere. True: all
  // of them, and they have one outcome or are counted by groups. False: those in rows_.
  bool begin_run(const LabelSet& stream, const EntrySlice& entries, RowRange range,
                 std::span<const uint32_t> left_out) {
    run_.begin_stream(stream);
    auto first = std::lower_bound(left_out.begin(), left_out.end(), range.first),
         last = std::lower_bound(first, left_out.end(), range.last);
    left_out = {first, last};
    if (search_.select(stream, entries, range, rows_)) {
      if (left_out.empty() && one_outcome(entries)) return true;
      for (uint32_t row = range.first; row < range.last; ++row) rows_.push_back(row);
    }
    if (!left_out.empty())
      std::erase_if(rows_, [&](uint32_t row) { return std::binary_search(left_out.begin(), left_out.end(), row); });
    return false;
  }

  // All entries of a stream are kept with the same labels, or those of a group.
  bool one_outcome(const EntrySlice& entries) const {
    return !pipeline_.reads_lines() && !(pipeline_.reads_metadata() && entries.has_metadata());
  }

  // What begin_run() has chosen.
  void add_run(const EntrySlice& entries, RowRange range, bool whole) {
    if (whole) {
      groups_.exist() ? add_groups(entries, range) : add_whole(entries, range);
    } else if (groups_.exist()) {
      add_groups(entries, std::span<const uint32_t>(rows_));
    } else if (one_outcome(entries)) {
      add_chosen(entries);
    } else {
      add_row_by_row(entries);
    }
  }

  template <class Rows>
  void add_groups(const EntrySlice& entries, Rows rows) {
    stats.lines_after_filters += tally_.add(groups_, entries, rows);
  }

  // Every row of the range has the same outcome.
  void add_whole(const EntrySlice& entries, RowRange range) {
    if (!run_.process(entries.time(range.first), {}, {})) return;
    LabelResults::Id series = run_.labels();
    size_t count = range.last - range.first;
    stats.lines_after_filters += count;
    std::span<const UnixNanos> times = entries.times.subspan(range.first, count);
    switch (values_.input()) {
      case RangeValues::Input::kTime: return values_.add_sorted(series, times);
      case RangeValues::Input::kBytes:
        return values_.add_sorted(series, times, entries.offsets.subspan(range.first, count + 1));
      case RangeValues::Input::kUnwrapped: return add_values(series, times);
    }
  }

  // Every row of rows_ has the same outcome.
  void add_chosen(const EntrySlice& entries) {
    if (rows_.empty() || !run_.process(entries.time(rows_[0]), {}, {})) return;
    LabelResults::Id series = run_.labels();
    stats.lines_after_filters += rows_.size();
    if (values_.input() == RangeValues::Input::kBytes) {
      for (uint32_t row : rows_) values_.add(series, entries.time(row), static_cast<double>(entries.line_size(row)));
      return;
    }
    times_.clear();
    for (uint32_t row : rows_) times_.push_back(entries.time(row));
    if (values_.input() == RangeValues::Input::kTime) {
      values_.add_sorted(series, times_);
    } else {
      add_values(series, times_);
    }
  }

  // One value at many times: of a stream label.
  void add_values(LabelResults::Id series, std::span<const UnixNanos> times) {
    for (UnixNanos time : times) values_.add(series, time, run_.value());
  }

  // Without text where the pipeline does not read lines.
  void add_row_by_row(const EntrySlice& entries) {
    const bool has_text = entries.text != nullptr;
    const bool unwraps = values_.input() == RangeValues::Input::kUnwrapped;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (i % QueryTurn::kRowsUntilPause == 0) turn->pause();
      const uint32_t row = rows_[i];
      std::string_view line = has_text ? entries.line(row) : std::string_view();
      if (!run_.process(entries.time(row), line, entries.metadata(row))) continue;
      ++stats.lines_after_filters;
      const double value = unwraps ? run_.value() : 0;
      LabelResults::Id series = run_.labels();
      size_t bytes = pipeline_.keeps_lines() ? entries.line_size(row) : run_.line().size();
      values_.add(series, entries.time(row), unwraps ? value : static_cast<double>(bytes));
    }
  }

  const RangeJob& job_;
  const LogPipeline& pipeline_;
  LabelResults labels_;
  RangeValues values_;
  PipelineRun run_;
  MemoryUse memory_;
  GroupTally tally_;
  HiddenRows hidden_;
  std::vector<uint32_t> left_out_;
  MetadataGroups groups_;                          // of the page being scanned, where they are used
  std::optional<std::vector<std::string>> names_;  // of metadata that matter; none: all do
  PageSearch search_;
  size_t part_ = SIZE_MAX;          // the object scanned last
  bool metadata_matter_ = false;    // any that it has
  uint32_t labelled_ = UINT32_MAX;  // the stream of it that stream_labels_ are of
  LabelSet stream_labels_;
  std::shared_ptr<const Stream> head_stream_;  // likewise, of the head
  LabelSet head_labels_;
  std::vector<uint32_t> rows_;  // buffers, used again for every run
  std::vector<UnixNanos> times_;
};

}  // namespace

Result<void> StoredRangeSource::read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid,
                                     SeriesSink& sink) {
  std::vector<pipeline::Matcher> matchers = compile_selector(aggregation.range.log.selector);
  EntryTimes times = entry_times(aggregation.range, grid);
  StepRecord step(context_, range_op_text(aggregation.op));
  const auto& unwrap = aggregation.range.unwrap;
  const std::vector<Stage>& stages = aggregation.range.log.stages;
  TRY_LET(LogPipeline pipeline, LogPipeline::compile(stages, use, unwrap ? &*unwrap : nullptr));
  Selection selection = select_parts(context_, matchers, times.begin, times.end, page_conditions(stages, pipeline));
  const bool counts_bytes = aggregation.op == RangeOp::kBytesOverTime || aggregation.op == RangeOp::kBytesRate;
  step.selected(aggregation.range.log, pipeline, selection, {.lengths = counts_bytes});
  TRY_LET(DuplicateRows duplicates, DuplicateRows::find(selection, context_.turn, context_.stats));
  RangeJob job{pipeline, aggregation, grid, selection, duplicates, context_.memory};
  TRY_LET(ScanParts scans, scan(selection, context_, [&job] { return std::make_unique<RangeScan>(job); }));
  std::vector<RangeValues::Part> parts;
  for (const auto& part : scans) parts.push_back(static_cast<RangeScan&>(*part).values());
  return RangeValues::finish(parts, sink);
}

namespace {

class CountedMemory final : public WorkingMemory {
 public:
  CountedMemory(QueryMemory& memory, std::string holder) : use_(memory, std::move(holder)) {}
  Result<void> hold(uint64_t bytes, uint64_t series) override { return use_.hold(bytes, series); }

 private:
  MemoryUse use_;
};

}  // namespace

std::unique_ptr<WorkingMemory> StoredRangeSource::memory(std::string holder) {
  return std::make_unique<CountedMemory>(context_.memory, std::move(holder));
}

}  // namespace server
