// BatchSender: closed batches on their way: sends each until the far side answers for good.
//
// Life:    create() to destruction on the loop. What is under way at close() is forgotten, without a call.
// Thread:  loop.
// Limits:  at most SinkOptions::max_in_flight requests at once (with hedging up to twice as many), fewer while the far
//          side pushes back (send_window.h), as long as its owner asks has_room() first.
// Errors:  429, 5xx, 408, 401, 407 and a missing answer: repeated with backoff (or Retry-After, if longer) until
//          max_retries or max_age, and after some of them at the next URL (url_choice.h). Too large: the halves are
//          sent instead (split_numbers.h). Other answers: what was refused is written to the dead-letter folder, if
//          there is one, then dropped and counted by reason; the server's text is logged.
//
// TLS files are looked at once a second: when one has changed, later requests use new connections. Secrets are read for
// each request.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/sink/backoff.h"
#include "agent/sink/closed_batch.h"
#include "agent/sink/dead_letters.h"
#include "agent/sink/file_stamps.h"
#include "agent/sink/push_answer.h"
#include "agent/sink/send_window.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "agent/sink/split_numbers.h"
#include "agent/sink/url_choice.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/http/http_client.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

// All outlive the sender.
struct BatchSenderParts {
  pipeline::Loop& loop;
  std::string producer;  // uuid of the sink
  CheckpointStore& store;
  const pipeline::Clock& clock;
  SinkMetrics& metrics;
  std::function<BatchNumber()> next_number;
  // The batch needs to be sent no more: acked, or dropped and counted; ClosedBatch::lost is to be told. May call send()
  // and close().
  std::function<void(std::shared_ptr<ClosedBatch>)> settled;
};

class BatchSender {
 public:
  // A TLS or secret's file that cannot be read is a failed request, tried again.
  static pipeline::Result<std::unique_ptr<BatchSender>> create(SinkOptions options, BatchSenderParts parts);
  ~BatchSender();

  bool has_room() const { return !closed_ && in_flight_.size() < window_.size(); }
  void send(std::shared_ptr<ClosedBatch> batch);
  void for_each(const std::function<void(const ClosedBatch&)>& what) const;  // batch under way, as it was given

  // Bytes of lines that a batch should have at most: half of what was too large, then slowly more again. Thread: any.
  uint64_t batch_limit() const { return batch_limit_.load(std::memory_order_relaxed); }

  // The far side gives no answer, or none but "later", since the last ack.
  bool is_away() const { return away_; }

  // What is given back makes the change: batches under way are sent with the new options, those that wait for a
  // repetition at once. kInvalid: a file of the options cannot be used.
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions options);

  void close();  // nothing more is sent; may be called twice

 private:
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  struct Request;
  struct InFlight;
  struct Answered;
  BatchSender(SinkOptions options, BatchSenderParts parts, std::unique_ptr<pipeline::HttpClient> client);
  InFlight& add(std::shared_ptr<ClosedBatch> batch, InFlight* whole);
  void begin(InFlight& flight);
  void start(InFlight& flight);  // now, or when there is room in the window
  void start_waiting();
  void request(InFlight& flight, size_t url);
  void hedge(InFlight& flight);
  void on_response(InFlight& flight, uint64_t key, const pipeline::Result<pipeline::HttpClientResponse>& response);
  void note_health(const Request& request, const PushAnswer& answer);
  void on_answer(InFlight& flight, const PushAnswer& answer);
  void retry(InFlight& flight, const PushAnswer& answer);
  void retry_all_now();

  void note_size(uint64_t too_large_bytes);  // 0: a batch was taken
  void split(InFlight& flight, const PushAnswer& answer);
  void send_halves(InFlight& flight, std::pair<ClosedBatch, ClosedBatch> halves);
  void refuse(InFlight& flight, std::string reason, const PushAnswer& answer);
  void write_dead_letter(InFlight& flight);
  void drop(InFlight& flight);
  void note_losses(const InFlight& flight, const std::map<std::string, uint64_t>& refused);
  void settle(InFlight& flight);

  void renew_client();
  void use_client(std::shared_ptr<pipeline::HttpClient> client);
  void change(SinkOptions options, std::shared_ptr<pipeline::HttpClient> client);
  const std::string& url(size_t index) const { return index == 0 ? options_.url : options_.failover_urls[index - 1]; }

  BatchSenderParts parts_;
  SinkOptions options_;
  SplitNumbers splits_;
  std::shared_ptr<pipeline::HttpClient> client_;
  std::vector<std::shared_ptr<pipeline::HttpClient>> old_clients_;  // before a change; their requests are awaited
  FileStamps tls_files_;
  std::chrono::nanoseconds next_look_{0};  // at tls_files_
  UrlChoice urls_;
  SendWindow window_;
  std::unique_ptr<DeadLetters> dead_letters_;  // null: no folder
  std::list<InFlight> in_flight_;
  std::deque<InFlight*> waiting_;  // for room in the window
  uint64_t requests_ = 0;          // under way
  uint64_t last_key_ = 0;
  std::chrono::nanoseconds not_before_{0};  // the far side asked for a pause
  std::mt19937_64 random_{std::random_device{}()};
  pipeline::LogLimiter retry_limiter_, refuse_limiter_, dead_letter_limiter_;
  std::atomic<uint64_t> batch_limit_{kNoLimit};
  bool away_ = false;
  bool closed_ = false;
  std::shared_ptr<BatchSender*> self_;
};

}  // namespace agent
