#include "server/query/log_query.h"

#include <algorithm>
#include <map>
#include <optional>

#include "server/query/scan.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Hash128;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// The selected streams of an object: labels and their text, made when a stream is met first.
class StreamTexts {
 public:
  struct Stream {
    LabelSet labels;
    std::string text;
  };
  const Stream& of(const ObjectReader& object, uint32_t ordinal) {
    auto [at, fresh] = streams_.try_emplace(ordinal);
    if (fresh) {
      at->second.labels = object.labels(object.streams()[ordinal]);
      at->second.text = at->second.labels.text();
    }
    return at->second;
  }

 private:
  std::map<uint32_t, Stream> streams_;  // stable addresses
};

// A place that offers entries in pieces whose times are bounded: the pages of one object, or one run of the head.
class Place {
 public:
  virtual ~Place() = default;
  // The best time that what is left here can have; nothing: exhausted.
  virtual std::optional<UnixNanos> bound() const = 0;
  // Looks at the piece with that bound.
  virtual void advance() = 0;
};

struct Search {
  const LogPipeline& pipeline;
  PipelineRun& run;
  EntryCollector& collector;
  const Selection& selection;
  QueryStats& stats;
  std::vector<std::string>& warnings;
  const Direction direction;

  bool backward() const { return direction == Direction::kBackward; }
  UnixNanos bound_of(UnixNanos min_time, UnixNanos max_time) const {
    return backward() ? std::min(max_time, selection.end - 1) : std::max(min_time, selection.begin);
  }
};

Hash128 entry_id(std::string_view stream, const EntrySlice& entries, size_t row) {
  uint64_t seed = pipeline::hash64(stream, static_cast<uint64_t>(entries.time(row)));
  std::string_view line = entries.line(row), metadata = entries.metadata(row).encoded();
  Hash128 id = pipeline::hash128(line);
  return {id.high ^ pipeline::hash64(metadata, seed), id.low ^ seed};
}

// Offers rows [first, last) of one stream, best time first, until the collector wants no more. `rows`: those that the
// leading filters kept, rising, all within [first, last); nullptr: there are no such filters.
void offer_rows(Search& search, const EntrySlice& entries, const StreamTexts::Stream& stream, RowRange range,
                const std::vector<uint32_t>* rows, uint64_t place) {
  search.run.begin_stream(stream.labels);
  size_t count = rows ? rows->size() : range.last - range.first;
  for (size_t i = 0; i < count; ++i) {
    size_t at = search.backward() ? count - 1 - i : i;
    size_t row = rows ? (*rows)[at] : range.first + at;
    UnixNanos time = entries.time(row);
    if (!search.collector.wants(time)) break;
    if (!search.run.process(time, entries.line(row), entries.metadata(row))) continue;
    ++search.stats.lines_after_filters;
    search.collector.offer({time, stream.text, place + row, entry_id(stream.text, entries, row),
                            std::string(search.run.line()), search.run.labels()});
  }
}

// Rows of [range) that the leading line filters keep.
std::vector<uint32_t> filtered_rows(const LogPipeline& pipeline, const EntrySlice& entries, RowRange range) {
  std::vector<uint32_t> rows;
  uint32_t begin = entries.offsets[range.first], end = entries.offsets[range.last];
  pipeline.leading().select({entries.text, end}, entries.offsets.subspan(range.first + 1, range.last - range.first),
                            rows, begin);
  for (uint32_t& row : rows) row += range.first;
  return rows;
}

class StoredPlace final : public Place {
 public:
  StoredPlace(Search& search, const StoredPart& part, uint64_t place)
      : search_(search),
        stats_(search.stats),
        part_(part),
        pages_(ordered_pages(search, part)),
        cursor_(part.object, pages_),
        place_(place) {}
  ~StoredPlace() override {  // the search may have ended
    count_reads(cursor_, stats_);
    stats_.pages_skipped += pages_.size() - next_;
  }

  std::optional<UnixNanos> bound() const override {
    if (next_ == pages_.size()) return std::nullopt;
    const PageInfo& page = part_.object->pages()[pages_[next_]];
    return search_.bound_of(page.min_time, page.max_time);
  }

  void advance() override {
    cursor_.next();
    ++next_;
    if (auto outcome = look_at_page(); !outcome) { search_.warnings.push_back(unreadable_page(outcome.error())); }
  }

 private:
  static std::vector<uint32_t> ordered_pages(const Search& search, const StoredPart& part) {
    std::vector<uint32_t> pages = part.pages;
    std::span<const PageInfo> info = part.object->pages();
    std::stable_sort(pages.begin(), pages.end(), [&](uint32_t a, uint32_t b) {
      return search.backward() ? info[a].max_time > info[b].max_time : info[a].min_time < info[b].min_time;
    });
    return pages;
  }

  Result<void> look_at_page() {
    const auto& leading = search_.pipeline.leading();
    if (!leading.empty()) {
      TRY_LET(std::string_view text, cursor_.text());
      search_.stats.store_line_bytes += text.size();
      if (!leading.may_match(text)) {
        search_.stats.store_lines += part_.object->pages()[cursor_.page()].rows;
        return {};
      }
    }
    TRY_LET(EntrySlice entries, cursor_.entries());
    if (leading.empty()) search_.stats.store_line_bytes += entries.line_bytes();
    for (const PageRun& run : part_.object->runs(cursor_.page())) {
      if (!part_.streams.contains(run.stream)) continue;
      RowRange range = rows_between(entries.times, run, search_.selection.begin, search_.selection.end);
      if (range.empty() || !search_.collector.wants(entries.time(search_.backward() ? range.last - 1 : range.first)))
        continue;
      search_.stats.store_lines += range.last - range.first;
      const StreamTexts::Stream& stream = texts_.of(*part_.object, run.stream);
      uint64_t place = place_ + (static_cast<uint64_t>(cursor_.page()) << 24);
      if (leading.empty()) {
        offer_rows(search_, entries, stream, range, nullptr, place);
      } else {
        std::vector<uint32_t> rows = filtered_rows(search_.pipeline, entries, range);
        offer_rows(search_, entries, stream, range, &rows, place);
      }
    }
    return {};
  }

  Search& search_;
  QueryStats& stats_;
  const StoredPart& part_;
  const std::vector<uint32_t> pages_;
  PageCursor cursor_;
  const uint64_t place_;
  size_t next_ = 0;
  StreamTexts texts_;
};

class HeadPlace final : public Place {
 public:
  HeadPlace(Search& search, const HeadPart& part, uint64_t place)
      : search_(search), part_(part), stream_{part.stream->labels, part.stream->text}, place_(place) {}

  std::optional<UnixNanos> bound() const override {
    if (done_) return std::nullopt;
    return search_.bound_of(part_.entries.times.front(), part_.entries.times.back());
  }

  void advance() override {
    done_ = true;
    RowRange range{0, static_cast<uint32_t>(part_.entries.size())};
    search_.stats.head_lines += range.last;
    search_.stats.head_bytes += part_.entries.line_bytes();
    if (search_.pipeline.leading().empty()) {
      offer_rows(search_, part_.entries, stream_, range, nullptr, place_);
    } else {
      std::vector<uint32_t> rows = filtered_rows(search_.pipeline, part_.entries, range);
      offer_rows(search_, part_.entries, stream_, range, &rows, place_);
    }
  }

 private:
  Search& search_;
  const HeadPart& part_;
  const StreamTexts::Stream stream_;
  const uint64_t place_;
  bool done_ = false;
};

std::vector<pipeline::Label> labels_of(const LabelSet& set) { return set.labels(); }

// Entries in order become streams by their final labels.
ResultStreams group(std::vector<CollectedEntry> entries, const LabelResults& labels, bool categorize) {
  std::map<LabelSet, ResultStream> streams;
  std::map<LabelResults::Id, ResultStream*> by_id;
  for (CollectedEntry& entry : entries) {
    ResultStream*& stream = by_id[entry.labels];
    const ResultLabels& result = labels.at(entry.labels);
    if (stream == nullptr) {
      LabelSet key = categorize ? result.stream : result.all();
      stream = &streams[key];
      stream->labels = std::move(key);
    }
    ResultEntry out{entry.time, std::move(entry.line), {}, {}};
    if (categorize) out.structured_metadata = labels_of(result.metadata), out.parsed = labels_of(result.parsed);
    stream->entries.push_back(std::move(out));
  }
  ResultStreams out;
  for (auto& [key, stream] : streams) out.push_back(std::move(stream));
  return out;
}

}  // namespace

Result<ResultStreams> run_log_query(const LogExpr& expr, const LogQueryOptions& options, const Selection& selection,
                                    QueryContext& context) {
  QueryStats& stats = context.stats;
  TRY_LET(LogPipeline pipeline, LogPipeline::compile(expr.stages));
  LabelResults labels;
  PipelineRun run(pipeline, labels, LeadingFilters::kDone);
  EntryCollector collector(options.direction, options.limit, options.interval);
  std::vector<std::unique_ptr<Place>>
      places;  // before the search ends: stream texts are referred to by what was collected
  Search search{pipeline, run, collector, selection, stats, context.warnings, options.direction};
  for (size_t i = 0; i < selection.stored.size(); ++i) {
    places.push_back(std::make_unique<StoredPlace>(search, selection.stored[i], static_cast<uint64_t>(i) << 44));
  }
  for (size_t i = 0; i < selection.head.size(); ++i) {
    places.push_back(std::make_unique<HeadPlace>(search, selection.head[i],
                                                 static_cast<uint64_t>(selection.stored.size() + i) << 44));
  }
  auto later = [&](size_t a, size_t b) {  // for a heap with the best bound at the front
    auto x = places[a]->bound(), y = places[b]->bound();
    return search.backward() ? x < y : x > y;
  };
  std::vector<size_t> queue;
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i]->bound()) queue.push_back(i);
  }
  std::make_heap(queue.begin(), queue.end(), later);
  while (!queue.empty()) {
    TRY(context.turn.breathe());
    if (collector.over_limit()) {
      return fail(Errc::kOverLimit,
                  pipeline::concat("more than ", EntryCollector::kMaxHeld,
                                   " entries match a query with `interval`: narrow the time range or the selector"));
    }
    std::pop_heap(queue.begin(), queue.end(), later);
    size_t best = queue.back();
    if (!collector.wants(*places[best]->bound())) break;
    places[best]->advance();
    if (places[best]->bound()) {
      std::push_heap(queue.begin(), queue.end(), later);
    } else {
      queue.pop_back();
    }
  }
  stats.duplicates += collector.duplicates();
  ResultStreams streams = group(collector.finish(), labels, options.categorize_labels);
  for (const ResultStream& stream : streams) stats.entries_returned += stream.entries.size();
  places.clear();  // counts what was read
  return streams;
}

}  // namespace server
