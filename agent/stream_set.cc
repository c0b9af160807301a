#include "agent/stream_set.h"

#include <algorithm>

#include "agent/receiver/http_listeners.h"
#include "agent/stream_types.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

using pipeline::concat;
using pipeline::Result;

StreamSet::StreamSet(Parts parts, Options sources)
    : parts_(parts),
      listeners_(std::make_unique<HttpListeners>(parts.loop, parts.registry)),
      options_(std::move(sources)) {
  for (auto& options : options_) streams_.push_back(make_stream(options));
}

StreamSet::~StreamSet() {
  stop();
  give_up();
}

std::unique_ptr<StreamSet::Stream> StreamSet::make_stream(std::shared_ptr<const SourceOptions> options) const {
  auto stream = std::make_unique<Stream>();
  stream->reader = std::make_shared<StreamReader>(parts_.loop, options, parts_.memory, parts_.clock, parts_.registry);
  const auto saved = stream_ledger_of(parts_.store.cursors(kLedgerCursors), options->name);
  StreamReader& reader = *stream->reader;
  if (!saved.empty()) reader.account().resume(saved, parts_.sinks(reader.stream()));
  stream->options = std::move(options);
  return stream;
}

std::unique_ptr<StreamSource> StreamSet::make_source(const Stream& stream) const {
  const StreamType* type = find_stream_type(stream.options->stream_type);
  INVARIANT(type != nullptr);  // the configuration was read with it
  return type->make({parts_.loop, stream.options, *stream.reader, parts_.store, parts_.memory, parts_.clock,
                     parts_.registry, listeners_.get()});
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

Result<void> StreamSet::prepare(const Options& next) {
  next_ = next;
  added_.clear(), added_.resize(next.size());
  for (size_t slot = 0; slot < next.size(); slot++) {
    if (!next[slot]) continue;
    auto prepared = prepare_slot(slot, next[slot]);
    if (prepared) continue;
    roll_back();
    return prepared;
  }
  return {};
}

Result<void> StreamSet::prepare_slot(size_t slot, const std::shared_ptr<const SourceOptions>& next) {
  Stream* running = slot < streams_.size() ? streams_[slot].get() : nullptr;
  if (!running) {
    auto stream = make_stream(next);
    TRY(begin(*stream));
    added_[slot] = std::move(stream);
    return {};
  }
  if (running->options->stream_text == next->stream_text) return {};
  // The old one goes first: it may have the address that the new one wants.
  running->source->stop();
  replaced_.push_back(std::move(running->source));
  auto before = std::exchange(running->options, next);
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
  for (auto& stream : added_) {
    if (!stream) continue;
    stream->source->stop();
    stream->reader->give_up();
  }
  undo_.clear(), added_.clear();
}

void StreamSet::commit(
    const OpenPorts& open_ports,
    const std::function<std::vector<ReaderChange::Port>(std::function<void()> on_room)>& change_ports) {
  streams_.resize(next_.size());
  for (size_t slot = 0; slot < next_.size(); slot++) {
    auto& stream = streams_[slot];
    if (added_[slot]) {
      stream = std::move(added_[slot]);
      stream->reader->set_ports(open_ports(waker(*stream)));
      stream->reader->start();
    } else if (stream && next_[slot]) {
      stream->options = next_[slot];
      stream->reader->change(next_[slot], change_ports(waker(*stream)));
    } else if (stream) {
      stream->source->stop();
      stream->reader->stop();
      retiring_.push_back(std::move(stream));
    }
  }
  for (auto& stream : retiring_) stream->reader->change(stream->options, change_ports(waker(*stream)));
  options_ = std::move(next_);
  added_.clear(), undo_.clear();
  sweep();
}

// --- the end

void StreamSet::stop() {
  for (auto& stream : streams_)
    if (stream && stream->source) stream->source->stop();
  for (auto& stream : streams_)
    if (stream) stream->reader->stop();
}

void StreamSet::give_up() {
  for (auto* streams : {&streams_, &retiring_})
    for (auto& stream : *streams)
      if (stream) stream->reader->give_up();
}

void StreamSet::sweep() {
  std::erase_if(retiring_, [](auto& stream) { return !stream->reader->waiting(); });
  auto idle = [&](auto&) {
    return std::none_of(streams_.begin(), streams_.end(), [](auto& s) { return s && s->reader->waiting(); });
  };
  std::erase_if(replaced_, idle);  // their clients have their answers
}

// --- what is to be seen

bool StreamSet::empty() const {
  return std::none_of(streams_.begin(), streams_.end(), [](auto& stream) { return stream != nullptr; });
}

std::vector<Target> StreamSet::targets() const {
  std::vector<Target> all;
  for (auto& stream : streams_) {
    if (!stream || !stream->source) continue;
    for (Target& target : stream->source->targets()) all.push_back(std::move(target));
  }
  return all;
}

std::vector<std::string> StreamSet::warnings() const {
  std::vector<std::string> all;
  for (auto& stream : streams_) {
    std::string why = stream && stream->source ? stream->source->unready() : "";
    if (!why.empty()) all.push_back(concat("source \"", stream->options->name, "\": ", why));
  }
  return all;
}

void StreamSet::append_stage_metrics(pipeline::MetricPage& page) const {
  for (auto& options : options_) {
    if (!options || !options->stages) continue;
    page.set_labels({{"source", options->name}});
    options->stages->append_metrics(page, parts_.clock.wall());
  }
}

std::vector<StreamLine> StreamSet::lines_of(const Stream& stream) const {
  return stream.reader->account().lines(parts_.sinks(stream.reader->stream()));
}

std::map<std::string, LedgerView::Stream> StreamSet::ledgers() const {
  std::map<std::string, LedgerView::Stream> all;
  for (auto& stream : streams_) {
    if (!stream) continue;
    LedgerView::Stream& ledger = all[stream->options->name];
    ledger.id = stream->reader->stream();
    ledger.lines = lines_of(*stream);
    switch (stream->reader->holding()) {
      case StreamReader::Hold::kRate: ledger.hold = "a stage limits the rate"; break;
      case StreamReader::Hold::kStage:
        ledger.hold = "a stage holds entries back until more comes (multiline, partial lines)";
        break;
      case StreamReader::Hold::kNone: break;
    }
  }
  return all;
}

void StreamSet::save_ledgers() const {
  if (empty()) return;
  auto saved = parts_.store.cursors(kLedgerCursors);
  for (auto& stream : streams_) {
    if (!stream) continue;
    std::string text = stream_lines_text(lines_of(*stream));
    const std::string key = stream_ledger_key(stream->options->name);
    if (text != saved[key]) parts_.store.save_cursor(kLedgerCursors, key, std::move(text));
  }
}

}  // namespace agent
