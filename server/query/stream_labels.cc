#include "server/query/stream_labels.h"

#include <algorithm>
#include <optional>
#include <set>

#include "server/erase/erasures.h"
#include "server/logql/parser.h"
#include "server/query/selection.h"

namespace server {

using pipeline::Matcher;
using pipeline::Result;

namespace {

using Selectors = std::vector<std::vector<Matcher>>;

// Some streams of one object.
struct StoredStreams {
  std::shared_ptr<const ObjectReader> object;
  bool all = false;                // all that it has; else
  std::vector<uint32_t> ordinals;  // rising
};

// A stream may come several times.
class StreamVisitor {
 public:
  virtual ~StreamVisitor() = default;
  virtual void stored(const StoredStreams& streams) = 0;
  virtual void head(const std::shared_ptr<const Stream>& stream) = 0;
};

struct Outcome {
  std::vector<std::string> warnings = {};
  bool objects_missing = false;  // one was deleted meanwhile
};

// Of the streams that one of the selectors chooses, those with entries in the range that still exist.
StoredStreams choose(const StreamQuery& query, const Selectors& selectors, std::optional<Eraser> eraser,
                     std::shared_ptr<const ObjectReader> reader) {
  const ObjectReader& object = *reader;
  const ObjectSummary& summary = object.summary();
  const bool inside = summary.min_time >= query.start && summary.max_time <= query.end;
  const bool any = selectors.size() == 1 && selectors[0].empty();
  StoredStreams out;
  out.object = std::move(reader);
  if (any && inside && !eraser && summary.tenants.size() == 1) {
    out.all = true;
    return out;
  }
  for (const std::vector<Matcher>& matchers : selectors) {
    std::vector<uint32_t> chosen = object.select(query.tenant, label_tests(matchers)).ordinals;
    if (out.ordinals.empty()) {
      out.ordinals = std::move(chosen);
    } else {
      std::vector<uint32_t> both;
      std::set_union(out.ordinals.begin(), out.ordinals.end(), chosen.begin(), chosen.end(), std::back_inserter(both));
      out.ordinals = std::move(both);
    }
  }
  if (inside && !eraser) return out;
  std::erase_if(out.ordinals, [&](uint32_t ordinal) {
    const StreamInfo stream = object.streams()[ordinal];
    if (stream.max_time < query.start || stream.min_time > query.end) return true;
    if (!eraser) return false;
    const pipeline::LabelSet labels = object.labels(stream);
    eraser->begin_stream(labels);
    return eraser->takes_all(stream.min_time, stream.max_time);
  });
  return out;
}

Result<Outcome> visit_objects(const StreamQuery& query, const ReadView& view, const StreamSource& source,
                              const Selectors& selectors, StreamVisitor& visitor) {
  Outcome outcome;
  for (const ObjectRow& row : view.objects->objects) {
    const ObjectSummary& summary = row.summary;
    if (summary.max_time < query.start || summary.min_time > query.end || !holds_tenant(summary, query.tenant))
      continue;
    TRY(source.turn.breathe());
    auto reader = source.readers.open(row);
    if (!reader) {
      outcome.objects_missing = outcome.objects_missing || reader.error().code == pipeline::Errc::kNotFound;
      outcome.warnings.push_back(unreadable_object(reader.error()));
      continue;
    }
    std::optional<Eraser> eraser;
    if (view.erasures != nullptr && (!view.erasures->deletes().empty() || summary.min_time < view.erasures->newest()))
      eraser.emplace(view.erasures, summary.deletes_applied);
    visitor.stored(choose(query, selectors, std::move(eraser), *std::move(reader)));
  }
  return outcome;
}

void visit_head(const StreamQuery& query, const ReadView& view, const Selectors& selectors, StreamVisitor& visitor) {
  for (const HeadPiece& piece : view.head.pieces) {
    for (const HeadStream& stream : *piece.streams) {
      bool in_range = false, selected = false;
      for (const HeadRun& run : stream.runs)
        in_range = in_range || (run.max_time >= query.start && run.min_time <= query.end);
      for (const auto& matchers : selectors) selected = selected || matches_all(matchers, *stream.stream);
      if (in_range && selected) visitor.head(stream.stream);
    }
  }
}

// Returns the warnings.
Result<std::vector<std::string>> visit(const StreamQuery& query, const StreamSource& source, StreamVisitor& visitor) {
  Selectors selectors;
  for (const std::string& text : query.selectors) {
    TRY_LET(Selector selector, parse_selector(text, EmptyMatchers::kRefuse));
    selectors.push_back(compile_selector(selector));
  }
  if (selectors.empty()) selectors.emplace_back();  // no condition: every stream
  for (bool fresh : {false, true}) {
    TRY_LET(ReadView view, source.views(query.tenant));
    TRY_LET(Outcome outcome, visit_objects(query, view, source, selectors, visitor));
    if (outcome.objects_missing && !fresh) continue;  // compacted and deleted meanwhile
    visit_head(query, view, selectors, visitor);
    if (!view.incomplete.empty()) outcome.warnings.push_back(view.incomplete);
    return std::move(outcome.warnings);
  }
  return std::vector<std::string>();
}

// Sorted lists without repetitions, two by two, until one is left.
template <class T, class Less>
std::vector<T> join(std::vector<std::vector<T>> lists, Less less) {
  if (lists.empty()) return {};
  for (; lists.size() > 1; lists.resize((lists.size() + 1) / 2)) {
    for (size_t i = 0; 2 * i < lists.size(); ++i) {
      if (2 * i + 1 == lists.size()) {
        if (i != 2 * i) lists[i] = std::move(lists[2 * i]);
        continue;
      }
      const std::vector<T> a = std::move(lists[2 * i]), b = std::move(lists[2 * i + 1]);
      std::vector<T> both;
      both.reserve(std::max(a.size(), b.size()));
      std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both), less);
      lists[i] = std::move(both);
    }
  }
  return std::move(lists[0]);
}

// Which of the values [first, last) the streams have.
std::vector<uint32_t> values_that_occur(const StoredStreams& streams, uint32_t first, uint32_t last) {
  std::vector<uint32_t> out;
  std::vector<bool> occurs(last - first, streams.all);
  for (uint32_t ordinal : streams.ordinals) {
    for (uint32_t value : streams.object->values_of(ordinal))
      if (value >= first && value < last) occurs[value - first] = true;
  }
  for (uint32_t value = first; value < last; ++value)
    if (occurs[value - first]) out.push_back(value);
  return out;
}

class NameGatherer final : public StreamVisitor {
 public:
  void stored(const StoredStreams& streams) override {
    const ObjectReader& object = *streams.object;
    for (std::string_view name : object.label_names()) {
      if (names_.contains(name)) continue;
      const auto values = object.values_of(name);
      if (!values_that_occur(streams, values.first, values.last).empty()) names_.emplace(name);
    }
  }
  void head(const std::shared_ptr<const Stream>& stream) override {
    for (const auto& [name, value] : stream->label_views())
      if (!names_.contains(name)) names_.emplace(name);
  }
  std::vector<std::string> names() const { return {names_.begin(), names_.end()}; }

 private:
  std::set<std::string, std::less<>> names_;
};

class ValueGatherer final : public StreamVisitor {
 public:
  explicit ValueGatherer(std::string_view name) : name_(name) {}
  void stored(const StoredStreams& streams) override {
    const auto values = streams.object->values_of(name_);
    if (values.empty()) return;
    std::vector<std::string_view> texts;
    for (uint32_t value : values_that_occur(streams, values.first, values.last))
      texts.push_back(streams.object->value_text(value));
    if (texts.empty()) return;
    lists_.push_back(std::move(texts));
    objects_.push_back(streams.object);
  }
  void head(const std::shared_ptr<const Stream>& stream) override {
    if (auto value = stream->label_views().find(name_); value && !in_head_.contains(*value)) in_head_.emplace(*value);
  }
  std::vector<std::string> values() {
    lists_.emplace_back(in_head_.begin(), in_head_.end());
    const auto joined = join(std::move(lists_), std::less<>());
    return {joined.begin(), joined.end()};
  }

 private:
  const std::string_view name_;
  std::vector<std::shared_ptr<const ObjectReader>> objects_;  // kept: they have the texts
  std::vector<std::vector<std::string_view>> lists_;
  std::set<std::string, std::less<>> in_head_;
};

}  // namespace

class SeriesGatherer final : public StreamVisitor {
 public:
  void stored(const StoredStreams& streams) override {
    const auto number = static_cast<uint32_t>(list_.objects_.size());
    std::vector<SeriesList::Place> places;
    const size_t count = streams.all ? streams.object->streams().size() : streams.ordinals.size();
    places.reserve(count);
    for (size_t i = 0; i < count; ++i)
      places.push_back({number, streams.all ? static_cast<uint32_t>(i) : streams.ordinals[i]});
    if (places.empty()) return;
    list_.objects_.push_back(streams.object);
    lists_.push_back(std::move(places));
  }
  void head(const std::shared_ptr<const Stream>& stream) override { list_.streams_.push_back(stream); }

  SeriesList list() {
    const auto own = static_cast<uint32_t>(list_.objects_.size());
    auto& streams = list_.streams_;
    auto before = [](const auto& a, const auto& b) { return *a < *b; };
    std::sort(streams.begin(), streams.end(), before);
    streams.erase(std::unique(streams.begin(), streams.end(), [](const auto& a, const auto& b) { return *a == *b; }),
                  streams.end());
    std::vector<SeriesList::Place> places;
    for (uint32_t i = 0; i < streams.size(); ++i) places.push_back({own, i});
    lists_.push_back(std::move(places));
    std::vector<MetadataPair> left, right;
    list_.places_ = join(std::move(lists_), [&](const SeriesList::Place& a, const SeriesList::Place& b) {
      list_.labels(a, left);
      list_.labels(b, right);
      return left < right;
    });
    return std::move(list_);
  }

 private:
  SeriesList list_;
  std::vector<std::vector<SeriesList::Place>> lists_;  // each sorted
};

void SeriesList::labels(const Place& place, std::vector<MetadataPair>& out) const {
  out.clear();
  if (place.object == objects_.size()) {
    for (const MetadataPair& label : streams_[place.stream]->label_views()) out.push_back(label);
    return;
  }
  const ObjectReader& object = *objects_[place.object];
  const StreamInfo stream = object.streams()[place.stream];
  for (uint32_t i = 0; i < stream.label_count; ++i) out.push_back(object.label(stream, i));
}

void SeriesList::labels(size_t i, std::vector<MetadataPair>& out) const { labels(places_[i], out); }

pipeline::LabelSet SeriesList::label_set(size_t i) const {
  std::vector<MetadataPair> views;
  labels(i, views);
  std::vector<pipeline::Label> labels(views.begin(), views.end());
  return pipeline::LabelSet::from(std::move(labels));
}

Result<Readable<std::vector<std::string>>> label_names_of(const StreamQuery& query, const StreamSource& source) {
  NameGatherer names;
  TRY_LET(auto warnings, visit(query, source, names));
  return Readable<std::vector<std::string>>{names.names(), std::move(warnings)};
}

Result<Readable<std::vector<std::string>>> label_values_of(const StreamQuery& query, std::string_view name,
                                                           const StreamSource& source) {
  ValueGatherer values(name);
  TRY_LET(auto warnings, visit(query, source, values));
  return Readable<std::vector<std::string>>{values.values(), std::move(warnings)};
}

Result<Readable<SeriesList>> series_of(const StreamQuery& query, const StreamSource& source) {
  SeriesGatherer series;
  TRY_LET(auto warnings, visit(query, source, series));
  return Readable<SeriesList>{series.list(), std::move(warnings)};
}

}  // namespace server
