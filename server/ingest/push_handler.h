// PushHandler: answers pushes of every protocol that comes by HTTP (push_answer.h).
//
//   loop: tenant, headers, batch number, room?  ->  worker: decode, check  ->  committer: log, head  ->  204
//
// Life:    stop() answers what is held back; the worker pool, then the committer, are stopped by the owner after it.
// Thread:  loop, except on_room() (any).
// Limits:  pushes beyond Options::budget_bytes (head, flush and pushes on their way in sum) are held back, not failed.
//          A push without an answer after Options::hold gets 503 with Retry-After, also where its outcome is still
//          open: what it costs is given back only then, and another copy of its batch number waits for it.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"
#include "server/ingest/batch_numbers.h"
#include "server/ingest/committer.h"
#include "server/ingest/push_decoder.h"
#include "server/ingest/push_metrics.h"

namespace server {

struct PushHandlerOptions {
  uint64_t max_raw_bytes = 100 << 20;  // of one push, decompressed
  uint64_t budget_bytes = 80 << 20;
  std::chrono::milliseconds hold{8000};  // below the 10 s after which Promtail and Alloy give up
};

class PushHandler {
 public:
  PushHandler(pipeline::Loop& loop, pipeline::WorkerPool& workers, Committer& committer,
              std::function<uint64_t()> held_bytes, BatchNumbers& numbers, StreamTable& streams,
              const LimitTable& limits, const pipeline::Clock& clock, pipeline::Registry& registry,
              PushHandlerOptions options, std::function<void()> committed);
  ~PushHandler();

  // `held_bytes`: of acknowledged entries in memory. Thread: loop.
  // `tenant`: already found.
  void handle(PushProtocol protocol, std::string tenant, pipeline::HttpRequest request,
              pipeline::HttpResponder responder);

  void on_room();                            // Thread: any. The head became smaller.
  size_t coming() const { return coming_; }  // Thread: any. Pushes begun and not handed to the committer yet
  void stop();                               // what is held is answered 503, as is everything from now on

 private:
  struct Push;
  using PushPtr = std::shared_ptr<Push>;

  bool has_room() const;
  void begin(PushPtr push);
  void hold_back(PushPtr push);
  void watch(const PushPtr& push);
  void on_timer();
  void admit_held();
  void give_up_late();
  void work(const PushPtr& push);
  void commit(const PushPtr& push, DecodedPush decoded);
  void answer(const PushPtr& push, PushAnswer answer);
  static void reply(Push& push, const PushAnswer& answer);
  static PushAnswer answer_of(const Push& push, const DecodedPush& decoded);
  void admit(const Push& push, const TenantLimits& limits, DecodedPush& decoded);
  bool blocked(const PushPtr& push, const TenantLimits& limits, const DecodedPush& decoded);
  static void send(Push& push, const PushAnswer& answer);

  pipeline::Loop& loop_;
  pipeline::WorkerPool& workers_;
  Committer& committer_;
  const std::function<uint64_t()> held_bytes_;
  BatchNumbers& numbers_;
  StreamTable& streams_;
  PushRuleBook rules_;
  StreamActivity activity_;
  const pipeline::Clock& clock_;
  const PushHandlerOptions options_;
  const std::function<void()> committed_;
  PushMetrics metrics_;

  std::deque<PushPtr> held_;
  std::deque<std::weak_ptr<Push>> begun_;  // in the order of their deadlines; those answered leave at the front
  std::atomic<bool> any_held_{false};
  pipeline::Timer hold_timer_;
  bool stopping_ = false;
  std::shared_ptr<PushHandler*> self_;     // watched by tasks posted to the loop: they may come after our end
  std::atomic<uint64_t> on_their_way_{0};  // bytes of pushes begun whose outcome is open
  std::atomic<size_t> coming_{0};
};

}  // namespace server
