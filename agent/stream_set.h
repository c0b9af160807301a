// StreamSet: the sources of the agent that are no files, each share (stream_shares.h) with its reader: started, changed
// and stopped together.
//
// Life:    start() once, change() any number of times, stop(), later give_up(); destroyed before the sinks.
// Thread:  loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/ledger/standing.h"
#include "agent/stream/stream_source.h"
#include "agent/stream_shares.h"
#include "pipeline/base/metric_page.h"

namespace agent {

class StreamSet {
 public:
  struct Parts {
    pipeline::Loop& loop;
    CheckpointStore& store;
    MemoryBudget& memory;
    const pipeline::Clock& clock;
    pipeline::Registry& registry;
    std::function<std::vector<StreamAccount::Sink>(FileId stream)> sinks;  // those there are, and how far they are
    std::function<void()> input_ended;  // standard input has, and all of it is settled
  };
  using Options = std::vector<std::shared_ptr<const SourceOptions>>;
  using OpenPorts = std::function<std::vector<std::unique_ptr<SinkPort>>(std::function<void()> on_room)>;

  // Sources and the names of the sinks, both by slot (configuration_change.h).
  StreamSet(Parts parts, Options sources, std::vector<std::string> sink_names);
  ~StreamSet();

  // Opens the ports and takes entries from now on. An error of a source, with its name.
  pipeline::Result<void> start(const OpenPorts& open_ports);

  // Sources that are new, or whose own options are others, begin; those that are to go on are not touched. With an
  // error nothing has changed. Else commit() or, if something else fails, roll_back().
  pipeline::Result<void> prepare(const Options& next, std::vector<std::string> sink_names);
  void roll_back();
  // `change_ports`: new ports of a reader that goes on.
  void commit(const OpenPorts& open_ports,
              const std::function<std::vector<ReaderChange::Port>(std::function<void()> on_room)>& change_ports);

  void stop();     // takes nothing more; all that was taken is with the sinks
  void give_up();  // what is not settled by now is told so
  void sweep();    // lets removed sources go when everything of them is settled

  const Options& options() const { return options_; }
  bool empty() const;
  std::vector<Target> targets() const;
  std::vector<std::string> warnings() const;  // of sources that take nothing at the moment, and why
  void append_stage_metrics(pipeline::MetricPage& page) const;

  // What became of the entries of each, by name.
  std::map<std::string, LedgerView::Stream> ledgers() const;
  // The cursors, with the sums of what they have passed: for the next start, and for whereis when the agent is gone.
  void save_ledgers() const;

 private:
  // Of one share.
  struct Stream {
    Share options;
    std::shared_ptr<StreamReader> reader;
    std::unique_ptr<StreamSource> source;
    std::vector<std::unique_ptr<StreamSource>> replaced;  // by `source`; until their clients have their answers
  };
  using Streams = std::vector<std::unique_ptr<Stream>>;
  struct Planned {
    Share options;
    Stream* running = nullptr;
    std::unique_ptr<Stream> added;  // where none is running
  };
  std::unique_ptr<StreamSource> make_source(const Stream& stream) const;
  std::unique_ptr<Stream> make_stream(Share options) const;
  void begin_cursors(const Options& sources) const;
  void make_plan(const Options& next);
  std::vector<StreamAccount::Sink> sinks_of(const Stream& stream) const;
  std::vector<StreamLine> lines_of(const Stream& stream) const;
  pipeline::Result<void> begin(Stream& stream) const;
  pipeline::Result<void> prepare_share(Planned& planned);
  std::function<void()> waker(const Stream& stream) const;
  bool is_first(const Stream& stream) const;

  const Parts parts_;
  const std::unique_ptr<HttpListeners> listeners_;  // outlives the sources
  Options options_;                                 // by slot
  std::vector<std::string> sink_names_;             // by slot
  Streams streams_;                                 // of one source one after the other
  Streams retiring_;                                // removed, not settled yet

  // between prepare() and commit()
  Options next_;
  std::vector<Planned> plan_;
  std::vector<std::function<void()>> undo_;
};

}  // namespace agent
