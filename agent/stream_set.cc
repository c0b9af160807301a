#include "agent/stream_set.h"

#include <algorithm>
#include <set>

#include "agent/receiver/http_listeners.h"
#include "agent/stream_types.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

using pipeline::concat;
using pipeline::Result;

StreamSet::StreamSet(Parts parts, Options sources, std::vector<std::string> sink_names)
    : parts_(parts),
      listeners_(std::make_unique<HttpListeners>(parts.loop, parts.registry)),
      options_(std::move(sources)),
      sink_names_(std::move(sink_names)) {
  begin_cursors(options_);
  for (auto& source : options_) {
    if (!source) continue;
    for (Share& share : shares_of(source, sink_names_)) streams_.push_back(make_stream(std::move(share)));
  }
}

StreamSet::~StreamSet() {
  stop();
  give_up();
  save_ledgers();
}

void StreamSet::begin_cursors(const Options& sources) const {
  for (auto& source : sources) {
    if (!source || !source->can_be_read_again) continue;
    std::vector<std::string> sinks;
    for (size_t slot : source->sinks) sinks.push_back(sink_names_[slot]);
    StreamCursors::begin(parts_.store, source->name, sinks);
  }
}

std::unique_ptr<StreamSet::Stream> StreamSet::make_stream(Share options) const {
  auto stream = std::make_unique<Stream>();
  stream->options = std::move(options);
  stream->reader =
      std::make_shared<StreamReader>(parts_.loop, stream->options, parts_.memory, parts_.clock, parts_.registry);
  const auto saved = stream_ledger_of(parts_.store.cursors(kLedgerCursors), stream->options->name);
  if (!saved.empty()) stream->reader->account().resume(saved, sinks_of(*stream));
  return stream;
}

std::unique_ptr<StreamSource> StreamSet::make_source(const Stream& stream) const {
  const StreamType* type = find_stream_type(stream.options->stream_type);
  INVARIANT(type != nullptr);  // the configuration was read with it
  const std::vector<size_t>& sinks = stream.options->sinks;
  StreamCursors cursors(parts_.store, stream.options->name, sinks.empty() ? "" : sink_names_[sinks.front()]);
  return type->make({parts_.loop, stream.options, *stream.reader, std::move(cursors), parts_.memory, parts_.clock,
                     parts_.registry, listeners_.get(), parts_.input_ended});
}

Result<void> StreamSet::begin(Stream& stream) const {
  stream.source = make_source(stream);
  auto started = stream.source->start();
  if (!started) return pipeline::fail(started.error().within(concat("source \"", stream.options->name, "\"")));
  return {};
}

std::function<void()> StreamSet::waker(const Stream& stream) const {
  return [weak = std::weak_ptr<StreamReader>(stream.reader)] {
    if (auto reader = weak.lock()) reader->wake();
  };
}

Result<void> StreamSet::start(const OpenPorts& open_ports) {
  for (auto& stream : streams_) {
    stream->reader->set_ports(open_ports(waker(*stream)));
    stream->reader->start();
    TRY(begin(*stream));
  }
  return {};
}

// --- a change of the configuration

// Each share of `next` with the one that runs already, if one does.
void StreamSet::make_plan(const Options& next) {
  next_ = next;
  plan_.clear();
  std::vector<Share> running;
  for (auto& stream : streams_) running.push_back(stream->options);
  for (auto& source : next) {
    if (!source) continue;
    for (Share& share : shares_of(source, sink_names_, running)) {
      auto same = std::find_if(streams_.begin(), streams_.end(),
                               [&](const auto& stream) { return is_same_share(*stream->options, *share); });
      plan_.push_back({std::move(share), same == streams_.end() ? nullptr : same->get(), nullptr});
    }
  }
}

Result<void> StreamSet::prepare(const Options& next, std::vector<std::string> sink_names) {
  save_ledgers();  // what begins again goes on with it
  sink_names_ = std::move(sink_names);
  begin_cursors(next);
  make_plan(next);
  for (Planned& planned : plan_) {
    auto prepared = prepare_share(planned);
    if (prepared) continue;
    roll_back();
    return prepared;
  }
  return {};
}

Result<void> StreamSet::prepare_share(Planned& planned) {
  Stream* running = planned.running;
  if (!running) {
    auto stream = make_stream(planned.options);
    TRY(begin(*stream));
    planned.added = std::move(stream);
    return {};
  }
  if (running->options->stream_text == planned.options->stream_text) return {};
  // The old one goes first: it may have the address that the new one wants.
  running->source->stop();
  running->replaced.push_back(std::move(running->source));
  auto before = std::exchange(running->options, planned.options);
  undo_.push_back([this, running, before] {
    if (running->source) running->source->stop();
    running->options = before;
    if (auto again = begin(*running); !again)
      pipeline::log_error("the source as it was before cannot begin again", {{"error", again.error()}});
  });
  return begin(*running);
}

void StreamSet::roll_back() {
  for (auto& undo : undo_) undo();
  for (Planned& planned : plan_) {
    if (!planned.added) continue;
    planned.added->source->stop();
    planned.added->reader->give_up();
  }
  undo_.clear(), plan_.clear();
}

void StreamSet::commit(
    const OpenPorts& open_ports,
    const std::function<std::vector<ReaderChange::Port>(std::function<void()> on_room)>& change_ports) {
  Streams before = std::move(streams_);
  streams_.clear();
  for (Planned& planned : plan_) {
    if (planned.added) {
      streams_.push_back(std::move(planned.added));
      streams_.back()->reader->set_ports(open_ports(waker(*streams_.back())));
      streams_.back()->reader->start();
      continue;
    }
    auto at = std::find_if(before.begin(), before.end(), [&](auto& stream) { return stream.get() == planned.running; });
    streams_.push_back(std::move(*at));
    before.erase(at);
    Stream& stream = *streams_.back();
    stream.options = planned.options;
    stream.reader->change(stream.options, change_ports(waker(stream)));
  }
  for (auto& stream : before) {
    stream->source->stop();
    stream->reader->stop();
    retiring_.push_back(std::move(stream));
  }
  for (auto& stream : retiring_) stream->reader->change(stream->options, change_ports(waker(*stream)));
  options_ = std::move(next_);
  plan_.clear(), undo_.clear();
  sweep();
}

// --- the end

void StreamSet::stop() {
  for (auto& stream : streams_)
    if (stream->source) stream->source->stop();
  for (auto& stream : streams_) stream->reader->stop();
}

void StreamSet::give_up() {
  for (auto* streams : {&streams_, &retiring_})
    for (auto& stream : *streams) stream->reader->give_up();
}

void StreamSet::sweep() {
  if (!retiring_.empty()) save_ledgers();
  std::erase_if(retiring_, [](auto& stream) { return !stream->reader->waiting(); });
  for (auto& stream : streams_)
    if (!stream->replaced.empty() && !stream->reader->waiting()) stream->replaced.clear();
}

// --- what is to be seen

bool StreamSet::empty() const { return streams_.empty(); }

// Of one place once, and as the share sees it that has trouble.
std::vector<Target> StreamSet::targets() const {
  std::vector<Target> all;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (auto& stream : streams_) {
    if (!stream->source) continue;
    for (Target& target : stream->source->targets()) {
      auto [place, is_new] = places.try_emplace({target.source, target.path}, all.size());
      if (is_new)
        all.push_back(std::move(target));
      else if (target.state == "failed" && all[place->second].state != "failed")
        all[place->second] = std::move(target);
    }
  }
  return all;
}

std::vector<std::string> StreamSet::warnings() const {
  std::vector<std::string> all;
  for (auto& stream : streams_) {
    std::string why = stream->source ? stream->source->unready() : "";
    if (why.empty()) continue;
    why = concat("source \"", stream->options->name, "\": ", why);
    if (std::find(all.begin(), all.end(), why) == all.end()) all.push_back(std::move(why));
  }
  return all;
}

// The first of its source.
bool StreamSet::is_first(const Stream& stream) const {
  auto first = std::find_if(streams_.begin(), streams_.end(),
                            [&](const auto& other) { return other->options->name == stream.options->name; });
  return first != streams_.end() && first->get() == &stream;
}

void StreamSet::append_stage_metrics(pipeline::MetricPage& page) const {
  for (auto& stream : streams_) {
    if (!stream->options->stages || !is_first(*stream)) continue;
    page.set_labels({{"source", stream->options->name}});
    stream->options->stages->append_metrics(page, parts_.clock.wall());
  }
}

std::vector<StreamAccount::Sink> StreamSet::sinks_of(const Stream& stream) const {
  if (!stream.options->can_be_read_again) return parts_.sinks(stream.reader->stream());
  std::vector<StreamAccount::Sink> own;
  for (size_t slot : stream.options->sinks) own.push_back({slot, sink_names_[slot], 0});
  for (const StreamAccount::Sink& sink : parts_.sinks(stream.reader->stream()))
    for (StreamAccount::Sink& mine : own)
      if (mine.slot == sink.slot) mine.position = sink.position;
  return own;
}

std::vector<StreamLine> StreamSet::lines_of(const Stream& stream) const {
  return stream.reader->account().lines(sinks_of(stream));
}

namespace {
std::string hold_text(StreamReader::Hold hold) {
  switch (hold) {
    case StreamReader::Hold::kRate: return "a stage limits the rate";
    case StreamReader::Hold::kStage: return "a stage holds entries back until more comes (multiline, partial lines)";
    case StreamReader::Hold::kNone: break;
  }
  return {};
}
}  // namespace

std::map<std::string, LedgerView::Stream> StreamSet::ledgers() const {
  std::map<std::string, LedgerView::Stream> all;
  for (auto& stream : streams_) {
    LedgerView::Stream& ledger = all[stream->options->name];
    for (size_t slot : stream->options->sinks)
      ledger.ways[sink_names_[slot]] = {stream->reader->stream(), hold_text(stream->reader->holding())};
    for (StreamLine& line : lines_of(*stream)) ledger.lines.push_back(std::move(line));
  }
  return all;
}

void StreamSet::save_ledgers() const {
  struct OfSource {
    std::vector<StreamLine> lines;
    std::set<std::string> sinks;  // told
  };
  std::map<std::string, OfSource> all;
  for (const Streams* streams : {&streams_, &retiring_}) {
    for (auto& stream : *streams) {
      OfSource& source = all[stream->options->name];
      std::set<std::string> own;
      for (StreamLine& line : stream->reader->account().saved_lines(sinks_of(*stream))) {
        if (line.sink.empty() || source.sinks.contains(line.sink)) continue;  // removed since, or told
        own.insert(line.sink);
        source.lines.push_back(std::move(line));
      }
      source.sinks.merge(own);
    }
  }
  for (auto& [source, told] : all) StreamCursors::write(parts_.store, source, std::move(told.lines));
}

}  // namespace agent
