#include "server/query/volume.h"

#include <algorithm>
#include <map>

#include "server/erase/erasures.h"
#include "server/logql/parser.h"
#include "server/query/selection.h"
#include "server/query/stream_sum.h"
#include "server/store/volume_counter.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Matcher;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

using Labels = std::vector<MetadataPair>;  // of a stream: name and value, sorted

// Told of every selected stream and of what it holds.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void begin_stream(const Labels& labels) = 0;
  // A whole piece of the stream begun last, which touches the edges: all its entries lie in [min, max]. False: it is to
  // be told by its parts.
  virtual bool add_whole(UnixNanos min, UnixNanos max, uint64_t entries, uint64_t bytes) = 0;
  // A part of it; numbers are fractions where a boundary cuts a run.
  virtual void add(size_t bucket, double entries, double bytes) = 0;
  // Asked after each stream: an error ends the walk.
  virtual Result<void> check() const { return {}; }
};

class Walk {
 public:
  Walk(const VolumeSelection& selection, std::span<const Matcher> matchers, Visitor& visitor)
      : selection_(selection), edges_(selection.edges), matchers_(matchers), visitor_(visitor) {}

  Result<void> objects(const ReadView& view, ReaderCache& readers, QueryTurn& turn) {
    const CatalogSnapshot& snapshot = *view.objects;
    std::vector<LabelTest> tests = label_tests(matchers_);
    for (const ObjectRow& row : snapshot.objects) {
      if (row.summary.max_time < edges_.front() || row.summary.min_time >= edges_.back()) continue;
      if (!holds_tenant(row.summary, selection_.tenant)) continue;
      TRY(turn.breathe());
      if (auto object = readers.open(row)) {
        std::optional<Eraser> eraser;
        if (view.erasures != nullptr &&
            (!view.erasures->deletes().empty() || row.summary.min_time < view.erasures->newest()))
          eraser.emplace(view.erasures, row.summary.deletes_applied);
        for (uint32_t ordinal : (*object)->select(selection_.tenant, tests).ordinals) {
          if (eraser && is_erased(**object, ordinal, *eraser)) continue;
          stored_stream(**object, ordinal);
          TRY(visitor_.check());
          if (++streams_ % kBetweenBreaths == 0) TRY(turn.breathe());
        }
      } else {
        objects_missing_ = objects_missing_ || object.error().code == Errc::kNotFound;
        warnings_.push_back(unreadable_object(object.error()));
      }
    }
    return {};
  }
  bool objects_missing() const { return objects_missing_; }  // one was deleted meanwhile
  std::vector<std::string> take_warnings() { return std::move(warnings_); }

  Result<void> head(const HeadSnapshot& head) {
    for (const HeadPiece& piece : head.pieces) {
      for (const HeadStream& stream : *piece.streams) {
        if (!matches_all(matchers_, *stream.stream)) continue;
        head_stream(stream);
        TRY(visitor_.check());
      }
    }
    return {};
  }

 private:
  // Nothing of the stream exists any more.
  static bool is_erased(const ObjectReader& object, uint32_t ordinal, Eraser& eraser) {
    const StreamInfo& stream = object.streams()[ordinal];
    const LabelSet labels = object.labels(stream);
    eraser.begin_stream(labels);
    return eraser.takes_all(stream.min_time, stream.max_time);
  }
  // Of a time within the edges.
  size_t bucket_of(UnixNanos time) const {
    return static_cast<size_t>(std::upper_bound(edges_.begin(), edges_.end(), time) - edges_.begin()) - 1;
  }
  bool is_inside(UnixNanos time) const { return time >= edges_.front() && time < edges_.back(); }
  bool in_one_bucket(UnixNanos min, UnixNanos max) const {
    return is_inside(min) && is_inside(max) && bucket_of(min) == bucket_of(max);
  }

  void stored_stream(const ObjectReader& object, uint32_t ordinal) {
    const StreamInfo& stream = object.streams()[ordinal];
    if (stream.max_time < edges_.front() || stream.min_time >= edges_.back()) return;
    labels_.clear();
    for (uint32_t i = 0; i < stream.label_count; ++i) labels_.push_back(object.label(stream, i));
    visitor_.begin_stream(labels_);
    if (visitor_.add_whole(stream.min_time, stream.max_time, stream.rows, stream.volume_bytes)) return;
    const auto rows = static_cast<double>(stream.rows), bytes = static_cast<double>(stream.volume_bytes);
    if (in_one_bucket(stream.min_time, stream.max_time)) return visitor_.add(bucket_of(stream.min_time), rows, bytes);
    for (uint32_t page = stream.first_page; page <= stream.last_page; ++page) {
      const auto runs = object.runs(page);
      auto run = std::lower_bound(runs.begin(), runs.end(), ordinal,
                                  [](const PageRun& r, uint32_t wanted) { return r.stream < wanted; });
      if (run != runs.end() && run->stream == ordinal)
        spread(run->min_time, run->max_time, run->rows, bytes * run->rows / rows);
    }
  }

  // Entries whose times are known only by their first and last.
  void spread(UnixNanos min, UnixNanos max, double entries, double bytes) {
    if (max < edges_.front() || min >= edges_.back()) return;
    if (in_one_bucket(min, max)) return visitor_.add(bucket_of(min), entries, bytes);
    const double length = static_cast<double>(max) - static_cast<double>(min) + 1;
    const size_t first = bucket_of(std::max(min, edges_.front()));
    for (size_t i = first; i + 1 < edges_.size() && edges_[i] <= max; ++i) {
      const double from = static_cast<double>(std::max(min, edges_[i]));
      const double to = std::min(static_cast<double>(max) + 1, static_cast<double>(edges_[i + 1]));
      visitor_.add(i, entries * (to - from) / length, bytes * (to - from) / length);
    }
  }

  void head_stream(const HeadStream& stream) {
    UnixNanos min = INT64_MAX, max = INT64_MIN;
    uint64_t entries = 0, raw = 0;
    VolumeCounter volume;
    for (const HeadRun& run : stream.runs) {
      min = std::min(min, run.min_time), max = std::max(max, run.max_time);
      entries += run.entries.size(), raw += run.entries.line_bytes() + run.entries.metadata_bytes();
      volume.add(run.entries);
    }
    if (max < edges_.front() || min >= edges_.back()) return;
    labels_.clear();
    for (const MetadataPair& label : stream.stream->label_views()) labels_.push_back(label);
    visitor_.begin_stream(labels_);
    if (visitor_.add_whole(min, max, entries, volume.bytes())) return;
    const double share = raw == 0 ? 0 : static_cast<double>(volume.bytes()) / static_cast<double>(raw);
    for (const HeadRun& run : stream.runs) head_run(run, share);
  }

  // `share`: volume per raw byte of the stream.
  void head_run(const HeadRun& run, double share) {
    const EntrySlice& entries = run.entries;
    if (in_one_bucket(run.min_time, run.max_time)) {
      return visitor_.add(bucket_of(run.min_time), static_cast<double>(entries.size()),
                          share * static_cast<double>(entries.line_bytes() + entries.metadata_bytes()));
    }
    for (size_t i = 0; i < entries.size(); ++i) {
      if (!is_inside(entries.time(i))) continue;
      visitor_.add(bucket_of(entries.time(i)), 1,
                   share * static_cast<double>(entries.line_size(i) + entries.metadata(i).encoded().size()));
    }
  }

  const VolumeSelection& selection_;
  const std::vector<UnixNanos>& edges_;
  std::span<const Matcher> matchers_;
  Visitor& visitor_;
  static constexpr size_t kBetweenBreaths = 8192;
  size_t streams_ = 0;
  Labels labels_;
  std::vector<std::string> warnings_;
  bool objects_missing_ = false;
};

// Over one view; with a fresh one where an object was compacted and deleted meanwhile. `make` gives an empty visitor.
template <class Make>
auto walk(const VolumeSelection& selection, const ReadViewSource& views, ReaderCache& readers, QueryTurn& turn,
          Make make) -> Result<Readable<decltype(make())>> {
  std::vector<Matcher> matchers = compile_selector(Selector{selection.matchers});
  for (bool fresh : {false, true}) {
    auto visitor = make();
    Walk walk(selection, matchers, visitor);
    TRY_LET(ReadView view, views(selection.tenant));
    TRY(walk.objects(view, readers, turn));
    if (walk.objects_missing() && !fresh) continue;
    TRY(walk.head(view.head));
    auto warnings = walk.take_warnings();
    if (!view.incomplete.empty()) warnings.push_back(view.incomplete);
    return Readable<decltype(make())>{std::move(visitor), std::move(warnings)};
  }
  return fail(Errc::kUnavailable, "objects went away while they were read");
}

// As Loki's index counts: a piece counts by the share of its time span that lies in the range, day (UTC) by day, whole
// entries only; a stream counts once a day.
class Totals final : public Visitor {
 public:
  explicit Totals(const VolumeSelection& selection)
      : start_(selection.edges.front() / kMilli), end_(selection.edges.back() / kMilli) {}

  void begin_stream(const Labels& labels) override {
    StreamSum sum;
    for (const auto& [name, value] : labels) sum.add(name, value);
    stream_ = sum.sum();
    ++pieces_;
  }
  bool add_whole(UnixNanos min, UnixNanos max, uint64_t entries, uint64_t bytes) override {
    const int64_t first = min / kMilli, last = max / kMilli;
    const int64_t begin = std::max(start_, first), stop = std::min(end_, last + 1);
    for (int64_t day = begin - (begin % kDay + kDay) % kDay; day < stop; day += kDay) {
      const int64_t from = std::max(day, start_), to = std::min(day + kDay - 1, end_);
      if (from > last || to < first) continue;
      add_share(day, share(first, last, from, to), entries, bytes);
    }
    return true;
  }
  void add(size_t, double, double) override {}

  VolumeTotals finish() {
    make_distinct();
    return {stream_days_.size(), pieces_, bytes_, entries_};
  }

 private:
  static constexpr int64_t kMilli = 1'000'000, kDay = 86'400'000;

  static double share(int64_t first, int64_t last, int64_t from, int64_t to) {
    if (first == last) return 1;
    const int64_t outside = std::max<int64_t>(0, from - first) + std::max<int64_t>(0, last - to);
    return static_cast<double>(last - first - outside) / static_cast<double>(last - first);
  }
  void add_share(int64_t day, double share, uint64_t entries, uint64_t bytes) {
    const auto counted = static_cast<uint64_t>(static_cast<double>(entries) * share);
    if (counted > 0) add_stream_day({stream_.high, stream_.low + static_cast<uint64_t>(day)});
    entries_ += counted;
    bytes_ += static_cast<uint64_t>(static_cast<double>(bytes) * share);
  }

  void add_stream_day(const pipeline::Hash128& one) {
    stream_days_.push_back(one);
    if (stream_days_.size() < most_) return;
    make_distinct();  // the same streams are in many objects
    most_ = std::max(kLeast, 2 * stream_days_.size());
  }
  void make_distinct() {
    std::sort(stream_days_.begin(), stream_days_.end());
    stream_days_.erase(std::unique(stream_days_.begin(), stream_days_.end()), stream_days_.end());
  }

  static constexpr size_t kLeast = 256 << 10;

  const int64_t start_, end_;  // milliseconds
  pipeline::Hash128 stream_;
  std::vector<pipeline::Hash128> stream_days_;
  size_t most_ = kLeast;
  uint64_t pieces_ = 0, entries_ = 0, bytes_ = 0;
};

class Groups final : public Visitor {
 public:
  // `max_series`: 0 is no limit.
  Groups(const VolumeGrouping& grouping, size_t buckets, uint32_t max_series)
      : grouping_(grouping), buckets_(buckets), max_series_(max_series) {}

  void begin_stream(const Labels& labels) override {
    current_.clear();
    if (grouping_.by == VolumeGrouping::By::kLabel) {
      for (const auto& [name, value] : labels)
        if (is_listed(name)) current_.push_back(&groups_[{{std::string(name), ""}}]);
    } else {
      std::vector<pipeline::Label> key;
      for (const auto& [name, value] : labels)
        if (is_listed(name)) key.emplace_back(name, value);
      current_.push_back(&groups_[std::move(key)]);
    }
  }
  bool add_whole(UnixNanos, UnixNanos, uint64_t, uint64_t) override { return false; }
  void add(size_t bucket, double, double bytes) override {
    for (Group* group : current_) {
      if (group->bytes.empty()) group->bytes.resize(buckets_);
      double& sum = group->bytes[bucket];
      sum += bytes;
      if (!group->counted && rounded(sum) > 0) group->counted = true, ++counted_;
    }
  }

  // Sooner than at the end: there may be a million.
  Result<void> check() const override {
    if (max_series_ == 0 || counted_ <= max_series_) return {};
    return fail(Errc::kOverLimit,
                pipeline::concat("the query hit the max number of series limit (limit: ", max_series_, " series)"));
  }

  std::vector<VolumeSeries> finish() const {
    std::vector<VolumeSeries> series;
    for (const auto& [labels, group] : groups_) {
      if (!group.counted) continue;
      VolumeSeries& one = series.emplace_back(VolumeSeries{labels, {}});
      for (double b : group.bytes) one.bytes.push_back(rounded(b));
    }
    return series;
  }

 private:
  struct Group {
    std::vector<double> bytes;  // by bucket; empty: none yet
    bool counted = false;       // has any that are not rounded away
  };
  static uint64_t rounded(double bytes) { return static_cast<uint64_t>(bytes + 0.5); }
  bool is_listed(std::string_view name) const {
    return grouping_.all_labels ||
           std::find(grouping_.labels.begin(), grouping_.labels.end(), name) != grouping_.labels.end();
  }

  const VolumeGrouping& grouping_;
  const size_t buckets_;
  const uint32_t max_series_;
  size_t counted_ = 0;  // groups that will be series
  std::map<std::vector<pipeline::Label>, Group> groups_;
  std::vector<Group*> current_;  // those that the stream counts for
};

}  // namespace

Result<Readable<VolumeTotals>> volume_totals(const VolumeSelection& selection, const ReadViewSource& views,
                                             ReaderCache& readers, QueryTurn& turn) {
  TRY_LET(auto totals, walk(selection, views, readers, turn, [&] { return Totals(selection); }));
  return Readable<VolumeTotals>{totals.found.finish(), std::move(totals.warnings)};
}

Result<Readable<std::vector<VolumeSeries>>> volumes(const VolumeSelection& selection, const VolumeGrouping& grouping,
                                                    uint32_t max_series, const ReadViewSource& views,
                                                    ReaderCache& readers, QueryTurn& turn) {
  TRY_LET(auto groups, walk(selection, views, readers, turn,
                            [&] { return Groups(grouping, selection.edges.size() - 1, max_series); }));
  std::vector<VolumeSeries> series = groups.found.finish();
  if (max_series != 0 && series.size() > max_series) {
    return fail(Errc::kOverLimit,
                pipeline::concat("the query hit the max number of series limit (limit: ", max_series, " series)"));
  }
  return Readable<std::vector<VolumeSeries>>{std::move(series), std::move(groups.warnings)};
}

}  // namespace server
