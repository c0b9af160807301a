// BatchSender: closed batches on their way: sends each until the far side answers for good.
//
// Life:    create() to destruction on the loop. What is under way at close() is forgotten, without a call.
// Thread:  loop.
// Limits:  SinkOptions::max_in_flight requests at once, as long as its owner asks has_room() first.
// Errors:  429, 5xx, 408 and a missing answer: repeated with backoff (or Retry-After, if longer) until max_retries or
//          max_age; other answers: the batch is dropped, counted, and the server's text is logged.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/sink/backoff.h"
#include "agent/sink/closed_batch.h"
#include "agent/sink/push_request.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/http/http_client.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

class BatchSender {
 public:
  // The batch needs to be sent no more: acked, or dropped and counted. May call send(), not close().
  using Settled = std::function<void(std::shared_ptr<ClosedBatch>)>;

  // `producer`: uuid of the sink. A TLS or secret's file that cannot be read is a failed request, tried again.
  static pipeline::Result<std::unique_ptr<BatchSender>> create(pipeline::Loop& loop, SinkOptions options,
                                                               std::string producer, const pipeline::Clock& clock,
                                                               SinkMetrics& metrics, Settled settled);
  ~BatchSender();

  bool has_room() const { return !closed_ && in_flight_.size() < options_.max_in_flight; }
  void send(std::shared_ptr<ClosedBatch> batch);
  void for_each(const std::function<void(const ClosedBatch&)>& what) const;  // batch under way

  // The far side gives no answer, or none but "later", since the last ack.
  bool is_away() const { return away_; }

  // What is given back makes the change: batches under way are sent with the new options, those that wait for a
  // repetition at once. kInvalid: a file of the options cannot be used.
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions options);

  void close();  // nothing more is sent; may be called twice

 private:
  struct InFlight;
  BatchSender(pipeline::Loop& loop, SinkOptions options, std::string producer, const pipeline::Clock& clock,
              SinkMetrics& metrics, Settled settled, std::unique_ptr<pipeline::HttpClient> client);
  void send(InFlight& flight);
  void on_answer(InFlight& flight, const PushAnswer& answer);
  void retry(InFlight& flight, const PushAnswer& answer);
  void reject(InFlight& flight, std::string_view reason, const PushAnswer& answer);
  void settle(InFlight& flight);
  void change(SinkOptions options, std::shared_ptr<pipeline::HttpClient> client);

  pipeline::Loop& loop_;
  SinkOptions options_;
  const std::string producer_;
  const pipeline::Clock& clock_;
  SinkMetrics& metrics_;
  const Settled settled_;
  std::shared_ptr<pipeline::HttpClient> client_;
  std::vector<std::shared_ptr<pipeline::HttpClient>> old_clients_;  // before a change; their requests are awaited
  std::list<InFlight> in_flight_;
  std::mt19937_64 random_{std::random_device{}()};
  pipeline::LogLimiter retry_limiter_, reject_limiter_;
  bool away_ = false;
  bool closed_ = false;
};

}  // namespace agent
