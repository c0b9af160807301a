// What the running agent knows of its files, for `whereis`, /targets and /metrics.
#include <algorithm>
#include <span>

#include "agent/agent.h"
#include "agent/ledger/stream_standing.h"
#include "agent/source/path_text.h"

namespace agent {

namespace {
constexpr size_t kMostFiles = 1000;  // with series of their own; the sums are of all
constexpr size_t kManyFiles = 10'000;
constexpr std::chrono::seconds kSumEvery{60};  // with many files: adding them up takes a while

void add_series(pipeline::MetricPage& page, const char* state, const char* dropped,
                const pipeline::MetricLabels& labels, const SinkStanding& sink) {
  using pipeline::MetricType;
  auto with = [&](const char* name, const std::string& value) {
    pipeline::MetricLabels all = labels;
    all.emplace_back(name, value);
    return all;
  };
  constexpr const char* kHelp =
      "Bytes of files, or of lines, that a sink has acknowledged or kept, and those that wait for it.";
  page.add(state, kHelp, MetricType::kGauge, with("state", "acked"), sink.acked);
  page.add(state, kHelp, MetricType::kGauge, with("state", "waiting"), sink.waiting);
  for (const DroppedBytes& d : sink.dropped)
    page.add(dropped, "Bytes of files that were dropped on their way to a sink, by step and reason.",
             MetricType::kGauge, with("reason", d.reason.str()), d.bytes);
}
}  // namespace

LedgerView Agent::streams_view() const {
  LedgerView view = sinks_view();
  view.streams = streams_->ledgers();
  return view;
}

LedgerView Agent::ledger_view() const {
  LedgerView view = streams_view();
  view.files = ledger_->files();
  for (const FileReader::Progress& file : progress())
    view.readings[file.id] = {file.read_bytes, file.size_bytes, file.paused};
  view.targets = targets();
  return view;
}

std::vector<StreamAccount::Sink> Agent::places_of(FileId stream) const {
  std::vector<StreamAccount::Sink> places;
  for (size_t slot = 0; slot < sinks_.size(); slot++) {
    if (!sinks_[slot]) continue;
    const auto position = sinks_[slot]->position(stream);
    places.push_back({slot, sinks_[slot]->name(), position ? position->position : 0});
  }
  return places;
}

// What a version before the losses of the spool has kept in the checkpoints: of which files, it did not know.
void Agent::resume_spool_ledger(const std::string& sink) {
  for (const DroppedEntries& d : spool_ledger_of(store_->cursors(kLedgerCursors), sink))
    store_->losses().note_spooled(sink, d.reason, d.volume, d.detail);
}

LedgerView Agent::sinks_view() const {
  LedgerView view;
  view.running = true;
  view.sources = configuration_.sources;
  for (const SinkOptions& sink : configuration_.sinks) view.sink_names.push_back(sink.name);
  view.store_trouble = store_->trouble();
  for (const auto& owned : sinks_) {
    if (!owned) continue;
    const Sink* sink = owned.get();
    LedgerView::Sink& at = view.sinks[sink->name()];
    at.fault = store_->losses().fault(sink->name());
    const SpoolVolume spool = sink->spool_waiting();
    at.spool = {spool.frames,
                {spool.entries, spool.line_bytes},
                store_->losses().spooled(sink->name()),
                store_->losses().spooled_unknown(sink->name())};
    at.holds = [sink](FileId file) { return sink->holds(file); };
    at.spooled = [sink](FileId file) { return sink->spooled(file); };
    at.in_spool = [sink](FileId file, uint64_t) { return sink->in_spool(file); };
    at.position = [sink](FileId file) -> std::optional<uint64_t> {
      auto position = sink->position(file);
      if (!position) return std::nullopt;
      return position->position;
    };
    at.dropped = [store = store_.get(), sink](FileId file, uint64_t position) {
      return store->losses().below(sink->name(), file, position);
    };
  }
  return view;
}

void Agent::add_ledger_metrics(pipeline::MetricPage& page) const {
  add_stream_metrics(page);
  const std::chrono::nanoseconds now = clock_.monotonic();
  if (now < next_sums_) return add_sums(page);
  const std::vector<FileId> ids = ledger_->file_ids();
  if (ids.size() > kManyFiles) next_sums_ = now + kSumEvery;
  sums_.clear();
  std::vector<FileReader::Progress> reading = progress();
  auto by_id = [](const FileReader::Progress& a, const FileReader::Progress& b) { return a.id < b.id; };
  std::sort(reading.begin(), reading.end(), by_id);
  LedgerView view = sinks_view();
  for (size_t begin = 0; begin < ids.size(); begin += kMostFiles) {  // some at a time: all together take much memory
    const std::span<const FileId> some = std::span(ids).subspan(begin, std::min(kMostFiles, ids.size() - begin));
    view.files = ledger_->files(some);
    view.readings.clear();
    auto file = std::lower_bound(reading.begin(), reading.end(), some.front(),
                                 [](const FileReader::Progress& p, FileId id) { return p.id < id; });
    for (; file != reading.end() && file->id <= some.back(); ++file)
      view.readings[file->id] = {file->read_bytes, file->size_bytes, file->paused};
    add_standings(view, begin == 0, page);
  }
  add_sums(page);
}

void Agent::add_stream_metrics(pipeline::MetricPage& page) const {
  using pipeline::MetricType;
  constexpr const char* kEntries =
      "Entries of sources that are no files that a sink has acknowledged or kept, and those that wait for it.";
  const LedgerView view = streams_view();
  for (const auto& source : view.sources) {
    if (!source || !view.streams.contains(source->name)) continue;
    for (const StreamSinkStanding& sink : standing_of(view, *source).sinks) {
      const pipeline::MetricLabels labels{{"sink", sink.sink}, {"source", source->name}};
      SinkStanding bytes;
      bytes.acked = sink.acked.bytes, bytes.waiting = sink.waiting.bytes;
      auto with = [&](const char* name, const std::string& value) {
        pipeline::MetricLabels all = labels;
        all.emplace_back(name, value);
        return all;
      };
      page.add("skidway_agent_ledger_entries", kEntries, MetricType::kGauge, with("state", "acked"),
               sink.acked.entries);
      page.add("skidway_agent_ledger_entries", kEntries, MetricType::kGauge, with("state", "waiting"),
               sink.waiting.entries);
      for (const DroppedEntries& d : sink.dropped) {
        bytes.dropped.push_back({{}, d.reason, d.volume.bytes, {}});
        page.add("skidway_agent_ledger_dropped_entries",
                 "Entries of sources that are no files that were dropped, by step and reason.", MetricType::kGauge,
                 with("reason", d.reason), d.volume.entries);
      }
      add_series(page, "skidway_agent_ledger_bytes", "skidway_agent_ledger_dropped_bytes", labels, bytes);
    }
  }
}

void Agent::add_standings(const LedgerView& view, bool own, pipeline::MetricPage& page) const {
  for (const auto& [id, record] : view.files) {
    FileStanding standing = standing_of(view, id);
    for (const SinkStanding& sink : standing.sinks) {
      SinkStanding& sum = sums_[{standing.source, sink.sink}];
      sum.acked += sink.acked, sum.waiting += sink.waiting;
      for (const DroppedBytes& d : sink.dropped) {
        auto same = std::find_if(sum.dropped.begin(), sum.dropped.end(),
                                 [&](const DroppedBytes& other) { return other.reason == d.reason; });
        if (same == sum.dropped.end())
          sum.dropped.push_back(d);
        else
          same->bytes += d.bytes;
      }
      if (own)
        add_series(page, "skidway_agent_file_bytes", "skidway_agent_file_dropped_bytes",
                   {{"file", std::to_string(id.value)},
                    {"path", path_text(standing.path)},
                    {"sink", sink.sink},
                    {"source", standing.source}},
                   sink);
    }
  }
}

void Agent::add_sums(pipeline::MetricPage& page) const {
  for (const auto& [names, sum] : sums_)
    add_series(page, "skidway_agent_ledger_bytes", "skidway_agent_ledger_dropped_bytes",
               {{"sink", names.second}, {"source", names.first}}, sum);
}

}  // namespace agent
