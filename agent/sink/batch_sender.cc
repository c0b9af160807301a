#include "agent/sink/batch_sender.h"

#include <algorithm>

#include "pipeline/base/quantity.h"

namespace agent {

using pipeline::concat;
using pipeline::HttpClient;
using pipeline::HttpClientResponse;
using pipeline::log_warn;
using pipeline::Result;

struct BatchSender::InFlight {
  InFlight(pipeline::Loop& loop, std::shared_ptr<ClosedBatch> b, const RetryOptions& retry, BatchSender& sender)
      : batch(std::move(b)), backoff(retry.min, retry.max), timer(loop, [this, &sender] { sender.send(*this); }) {}

  std::shared_ptr<ClosedBatch> batch;
  Backoff backoff;
  pipeline::Timer timer;  // until the next repetition
  uint64_t repetitions = 0;
  std::chrono::nanoseconds sent_at{0};
  std::list<InFlight>::iterator self;
};

namespace {
Result<std::unique_ptr<HttpClient>> make_client(pipeline::Loop& loop, const SinkOptions& options) {
  pipeline::HttpClientOptions http;
  http.tls = {options.tls.ca_file, options.tls.cert_file, options.tls.key_file, options.tls.server_name};
  http.connect_timeout =
      std::min(http.connect_timeout, std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout));
  http.max_response_bytes = 1 << 20;
  http.max_connections = static_cast<uint32_t>(options.max_in_flight);
  auto client = HttpClient::create(loop, std::move(http));
  if (!client) return pipeline::fail(client.error().within(concat("sink \"", options.name, "\"")));
  return client;
}
}  // namespace

Result<std::unique_ptr<BatchSender>> BatchSender::create(pipeline::Loop& loop, SinkOptions options,
                                                         std::string producer, const pipeline::Clock& clock,
                                                         SinkMetrics& metrics, Settled settled) {
  TRY_LET(auto client, make_client(loop, options));
  return std::unique_ptr<BatchSender>(new BatchSender(loop, std::move(options), std::move(producer), clock, metrics,
                                                      std::move(settled), std::move(client)));
}

BatchSender::BatchSender(pipeline::Loop& loop, SinkOptions options, std::string producer, const pipeline::Clock& clock,
                         SinkMetrics& metrics, Settled settled, std::unique_ptr<HttpClient> client)
    : loop_(loop),
      options_(std::move(options)),
      producer_(std::move(producer)),
      clock_(clock),
      metrics_(metrics),
      settled_(std::move(settled)),
      client_(std::move(client)) {}

BatchSender::~BatchSender() { close(); }

void BatchSender::send(std::shared_ptr<ClosedBatch> batch) {
  if (closed_) return;
  InFlight& flight = in_flight_.emplace_back(loop_, std::move(batch), options_.retry, *this);
  flight.self = std::prev(in_flight_.end());
  metrics_.in_flight(static_cast<int64_t>(in_flight_.size()));
  send(flight);
}

void BatchSender::for_each(const std::function<void(const ClosedBatch&)>& what) const {
  for (const InFlight& flight : in_flight_) what(*flight.batch);
}

void BatchSender::send(InFlight& flight) {
  if (closed_) return;
  flight.sent_at = clock_.monotonic();
  auto request = make_push_request(options_, producer_, *flight.batch);
  if (!request) return on_answer(flight, judge_answer(pipeline::fail(request.error())));
  client_->send(std::move(*request), [this, &flight](Result<HttpClientResponse> response) {
    if (closed_) return;
    PushAnswer answer = judge_answer(response);
    metrics_.request(answer.status, std::chrono::duration<double>(clock_.monotonic() - flight.sent_at).count());
    on_answer(flight, answer);
  });
}

void BatchSender::on_answer(InFlight& flight, const PushAnswer& answer) {
  const ClosedBatch& batch = *flight.batch;
  const RetryOptions& limits = options_.retry;
  away_ = answer.kind == PushAnswer::Kind::kRetry;
  if (answer.kind == PushAnswer::Kind::kAcked) {
    metrics_.sent(batch.volume, batch.body->size(), batch.tenant);
    return settle(flight);
  }
  if (answer.kind == PushAnswer::Kind::kRejected) return reject(flight, "rejected", answer);
  if (limits.max_retries > 0 && flight.repetitions >= limits.max_retries)
    return reject(flight, answer.status == 429 ? "rate_limited" : "max_retries", answer);
  if (limits.max_age.count() > 0 && clock_.monotonic() - batch.closed_at >= limits.max_age)
    return reject(flight, "max_age", answer);
  retry(flight, answer);
}

void BatchSender::retry(InFlight& flight, const PushAnswer& answer) {
  std::chrono::nanoseconds delay = flight.backoff.next(random_());
  if (answer.retry_after) delay = std::max(delay, *answer.retry_after);
  flight.repetitions++;
  metrics_.retry(flight.batch->tenant);
  if (auto held = retry_limiter_.allow())
    log_warn("sink retry", {{"sink", options_.name},
                            {"attempt", flight.repetitions},
                            {"delay", pipeline::format_duration(delay)},
                            {"error", answer.text},
                            {"held_back", *held}});
  flight.timer.start(delay);
}

void BatchSender::reject(InFlight& flight, std::string_view reason, const PushAnswer& answer) {
  const ClosedBatch& batch = *flight.batch;
  metrics_.dropped(reason, batch.volume, batch.tenant);
  if (auto held = reject_limiter_.allow())
    log_warn("batch dropped", {{"sink", options_.name},
                               {"reason", reason},
                               {"entries", batch.volume.entries},
                               {"tenant", batch.tenant},
                               {"error", answer.text},
                               {"held_back", *held}});
  settle(flight);
}

void BatchSender::settle(InFlight& flight) {
  std::shared_ptr<ClosedBatch> batch = flight.batch;
  in_flight_.erase(flight.self);
  metrics_.in_flight(static_cast<int64_t>(in_flight_.size()));
  settled_(std::move(batch));
}

// --- a change of the configuration

Result<std::function<void()>> BatchSender::prepare_change(SinkOptions options) {
  std::shared_ptr<HttpClient> client = client_;
  bool same = options.tls == options_.tls && options.timeout == options_.timeout &&
              options.max_in_flight == options_.max_in_flight;
  if (!same) { TRY_LET(client, make_client(loop_, options)); }
  return std::function<void()>(
      [this, options = std::move(options), client = std::move(client)] { change(options, client); });
}

void BatchSender::change(SinkOptions options, std::shared_ptr<HttpClient> client) {
  std::erase_if(old_clients_, [](auto& old) { return old->running() == 0; });
  if (client != client_) old_clients_.push_back(std::exchange(client_, std::move(client)));
  options_ = std::move(options);
  for (InFlight& flight : in_flight_)
    if (flight.timer.active()) flight.timer.start(std::chrono::nanoseconds(0));  // the far side may be another one
}

void BatchSender::close() {
  closed_ = true;
  client_->close();
  for (auto& client : old_clients_) client->close();
  for (InFlight& flight : in_flight_) flight.timer.stop();
}

}  // namespace agent
