// TailSession: one client of a tail, from the upgrade to the end.
//
//   feed --on_entries()--> arrived_ --worker: LiveEntries--> queue_ --when due, as the client reads--> WebSocket
//   engine (history) ---------------------------------------> queue_ (first)
//
// Life:    shared: the WebSocket holds it until it is closed, and work under way holds it. In the feed from on_open()
// to
//          on_closed().
// Thread:  loop; on_entries() the committer's.
// Limits:  max_pending_bytes of runs that wait for the worker, and as much of entries that wait for the client.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/http/web_socket.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"
#include "server/tail/live_entries.h"
#include "server/tail/tail_queue.h"
#include "server/tail/tail_routes.h"

namespace server {

// What all tails of a server share.
struct TailMeters {
  pipeline::Gauge& active;
  pipeline::Counter& sent;
  pipeline::Counter& dropped_slow;    // the client did not read
  pipeline::Counter& dropped_early;   // entries of the future filled the room
  pipeline::Counter& dropped_behind;  // they came faster than the pipeline took them
  pipeline::Counter& refused;
  explicit TailMeters(pipeline::Registry& registry);
};

struct TailHouse {
  TailDoors doors;
  uint64_t max_pending_bytes;
  TailMeters meters;
  std::unique_ptr<pipeline::WorkerPool> pool;  // runs the pipelines of live entries; gone with TailRoutes
  std::map<std::string, uint32_t> tails;       // open ones, by tenant
};

class TailSession final : public pipeline::WebSocketOwner,
                          public CommitListener,
                          public std::enable_shared_from_this<TailSession> {
 public:
  // kInvalid: the pipeline does not compile.
  static pipeline::Result<std::shared_ptr<TailSession>> create(std::shared_ptr<TailHouse> house, TailRequest request);
  ~TailSession() override;

  void on_open(pipeline::WebSocket& socket) override;
  void on_writable() override { send_due(); }
  void on_closed(uint16_t code, std::string_view reason) override;
  void on_entries(uint64_t frame, std::span<const HeadAddition> added) override;

 private:
  TailSession(std::shared_ptr<TailHouse> house, TailRequest request);
  bool admit();
  void ask_history();
  void on_history(pipeline::Result<TailHistory> history);
  void process_arrived();
  void on_processed(std::vector<TailEntry> entries);
  void take_over_dropped();
  void send_due();
  void wait_for_due();

  const std::shared_ptr<TailHouse> house_;
  const TailRequest request_;
  const TailFormat format_;
  std::unique_ptr<LiveEntries> live_;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);

  pipeline::WebSocket* socket_ = nullptr;  // null before on_open() and after on_closed()
  bool listening_ = false;                 // in the feed, and counted
  bool history_done_ = false;
  TailHistory history_;      // without its entries; set once, before the first process_arrived()
  bool processing_ = false;  // a worker has some of them
  TailQueue queue_;
  std::unique_ptr<pipeline::Timer> due_timer_, end_timer_;  // while listening_

  std::mutex mutex_;  // guards the following
  std::vector<LiveRun> arrived_;
  uint64_t arrived_bytes_ = 0;
  std::vector<DroppedEntry> missed_;  // dropped by on_entries()
  uint64_t missed_count_ = 0;         // of them and those not remembered
  bool posted_ = false;               // the loop knows that something arrived
};

}  // namespace server
