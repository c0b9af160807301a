// Agent: the running program, and its map.
//
//   Discovery (loop) --offers files--> FileReader (a thread per worker) --SinkPort--> Sink (loop) --> far side
//   StreamSource (loop) --parcels--> StreamReader (a thread) --^  <----- settled ------+
//                                        CheckpointStore (a thread) <--records, acks---+
//
// Life:    create() opens the data folder and builds everything, start() sets it going; stop() ends it in flow order
// and
//          calls `ended`; then it may be destroyed.
// Thread:  loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/configuration.h"
#include "agent/discovery/discovery.h"
#include "agent/ledger/standing.h"
#include "agent/pod_watches.h"
#include "agent/sink/memory_budget.h"
#include "agent/sink/sink.h"
#include "agent/source/file_reader.h"
#include "agent/source/open_files.h"
#include "agent/source/store_ledger.h"
#include "agent/stream_set.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/folder_lock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

enum class AgentMode {
  kDeliver,
  kDryRun,  // entries are printed; nothing is sent, and no checkpoint is read or written
};

class Agent {
 public:
  using Ended = std::function<void(pipeline::Result<void>)>;

  // Errors: the data folder cannot be used, or another process uses it; a sink cannot be built.
  static pipeline::Result<std::unique_ptr<Agent>> create(pipeline::Loop& loop, pipeline::Registry& registry,
                                                         Configuration configuration, AgentMode mode);
  ~Agent();

  // `ended` is called once: after stop(), after the end of standard input if that is the only source, or with the error
  // of a sink that cannot go on.
  void start(Ended ended);
  // Goes over to another configuration, each reader between two of its blocks. What did not change goes on untouched:
  // readers with their positions, sinks with their queues. Blocks the loop for as long as a reader needs for a turn.
  // Errors: kInvalid: all that cannot change while running, or that cannot be used, one a line; kUnavailable: not now.
  // Nothing has changed then.
  pipeline::Result<void> change(Configuration next, const std::string& name);

  // Sources stop, open batches are closed and sent, for at most `patience` everything taken is acked or spooled (kSent:
  // also what is spooled is sent), checkpoints are saved. Calling it again shortens the wait.
  enum class Until { kSafe, kSent };
  void stop(std::chrono::nanoseconds patience, Until until = Until::kSafe);

  // What is not ready yet; empty: ready.
  std::string unready() const;
  struct Check {
    std::string name;
    bool passed = false;
  };
  std::vector<Check> checks() const;

  const Configuration& configuration() const { return configuration_; }
  std::vector<std::string> warnings() const;  // what does not work at the moment, and why; a sentence each
  std::string stage_metrics() const;          // of the stages of all sources, as Prometheus text, with a label `source`
  std::vector<Target> targets() const;
  std::vector<FileReader::Progress> progress() const;
  LedgerView ledger_view() const;                             // outlived by the agent
  void add_ledger_metrics(pipeline::MetricPage& page) const;  // bytes of files by source, sink and what became of them

 private:
  Agent(pipeline::Loop& loop, pipeline::Registry& registry, Configuration configuration, AgentMode mode);
  pipeline::Result<void> open_store();
  pipeline::Result<void> build_sinks();
  void tell_forgotten_spools();
  pipeline::Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options);
  void build_sources();
  void build_readers();
  void start_readers();
  std::vector<std::unique_ptr<SinkPort>> open_ports(std::function<void()> on_room);
  void share_rebuilds();

  // change(), in agent_change.cc
  struct SinkPlan;
  pipeline::Result<SinkPlan> plan_sinks(const Configuration& next);
  void change_sources(const Configuration& next, const SinkPlan& plan);
  pipeline::Result<void> prepare_streams(const Configuration& next, const SinkPlan& plan);
  void change_streams(const SinkPlan& plan);
  void retire(size_t slot);
  std::vector<Sink*> sink_pointers() const;
  void tell_ledger();

  void watch_memory();
  LedgerView sinks_view() const;  // without files and streams
  std::vector<StreamAccount::Sink> places_of(FileId stream) const;
  void resume_spool_ledger(const std::string& sink);
  LedgerView streams_view() const;  // without files
  void add_stream_metrics(pipeline::MetricPage& page) const;
  void add_standings(const LedgerView& view, bool own, pipeline::MetricPage& page) const;
  void add_sums(pipeline::MetricPage& page) const;
  void sink_broken(pipeline::Error error);
  void stop_sinks(std::chrono::nanoseconds patience, Until until);
  void finish();

  pipeline::Loop& loop_;
  pipeline::Registry& registry_;
  Configuration configuration_;
  const AgentMode mode_;
  const pipeline::SystemClock clock_;
  const std::shared_ptr<DeletedFiles> deleted_;
  const std::shared_ptr<MemoryBudget> memory_;        // the registry reads it too
  const std::unique_ptr<pipeline::FileSystem> disk_;  // for the spools
  OpenFiles open_files_;
  std::optional<pipeline::FolderLock> lock_;
  std::unique_ptr<CheckpointStore> store_;
  std::vector<std::unique_ptr<Sink>> sinks_;                    // by slot (configuration_change.h); null: removed
  std::vector<std::unique_ptr<Sink>> retiring_;                 // removed, and still sending what they have
  std::vector<std::shared_ptr<const SourceOptions>> files_;     // file sources by slot; null: removed
  std::vector<std::shared_ptr<const SourceOptions>> readable_;  // the same, removed ones kept: readers may need them
  std::unique_ptr<StoreLedger> ledger_;
  std::vector<std::unique_ptr<FileReader>> readers_;
  std::unique_ptr<PodWatches> pods_;  // outlives discovery
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<StreamSet> streams_;
  pipeline::Timer sweep_;
  pipeline::Timer memory_watch_;

  mutable std::map<std::pair<std::string, std::string>, SinkStanding> sums_;  // by source and sink, for /metrics
  mutable std::chrono::nanoseconds next_sums_{0};

  bool started_ = false, start_is_over_ = false, stopping_ = false;
  size_t sinks_running_ = 0;
  pipeline::Result<void> outcome_;
  Ended ended_;
};

}  // namespace agent
