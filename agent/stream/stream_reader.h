// StreamReader: takes parcels from a source that is no file, runs its relabel rules and stages, feeds its sink ports,
// and tells when everything of a parcel is settled. One thread each.
//
// Entries are numbered in the order taken (a stream, agent/checkpoint/records.h); a parcel is settled when the position
// of every sink of the source has passed its last entry: acked, synced in the spool, or dropped with a counted reason.
//
// Life:    set_ports(), start(), stop() (everything taken goes on to the ports, batches are closed), later give_up();
//          then the ports may be destroyed. Sinks call wake() until they are destroyed.
// Thread:  take, full, wake: any; the rest: loop. `settled` and `on_room` are called on the loop, never inside a call.
// Limits:  kQueueBytes of parcels wait before full(); take() still works. Lines beyond max_line_bytes are cut, counted.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/ledger/stream_account.h"
#include "agent/sink/memory_budget.h"
#include "agent/sink/sink.h"
#include "agent/source/file_reader.h"
#include "agent/source/source_options.h"
#include "agent/stream/parcel.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/unique_function.h"
#include "pipeline/loop/loop.h"

namespace agent {

class StreamReader {
 public:
  static constexpr uint64_t kQueueBytes = 4 << 20;
  static constexpr std::chrono::milliseconds kLinger{20};  // a client waits so long for others to fill its batch

  // True: settled. False: the agent stops before that (a client is to try again, a cursor stays where it is).
  using Settled = pipeline::UniqueFunction<void(bool)>;

  StreamReader(pipeline::Loop& loop, std::shared_ptr<const SourceOptions> source, MemoryBudget& memory,
               const pipeline::Clock& clock, pipeline::Registry& metrics);
  ~StreamReader();

  void take(Parcel parcel, Settled settled = nullptr);

  // Too much waits: hand over nothing more until `on_room` is called.
  bool full() const;
  void on_room(std::function<void()> on_room);  // before start(); may be called too often

  void set_ports(std::vector<std::unique_ptr<SinkPort>> ports);  // SourceOptions::sinks index into these
  void start();
  void stop();
  void give_up();        // after stop(): what is not settled by now is told so
  bool waiting() const;  // some parcel is not settled

  // For the ledger. Thread: any.
  FileId stream() const;  // of which the sinks know positions
  StreamAccount& account();
  enum class Hold { kNone, kRate, kStage };  // what keeps entries from the sinks
  Hold holding() const;
  void wake();  // a port has room again, or a position has moved

  // As FileReader::change(), for its one source: what old stages hold is handed on. Returns when it is done.
  void change(std::shared_ptr<const SourceOptions> source, std::vector<ReaderChange::Port> ports);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent
