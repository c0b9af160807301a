#include "agent/sink/loki_sink.h"

#include <algorithm>

#include "pipeline/base/quantity.h"

namespace agent {

using pipeline::concat;
using pipeline::HttpClient;
using pipeline::HttpClientResponse;
using pipeline::log_warn;
using pipeline::Result;

struct LokiSink::InFlight {
  InFlight(pipeline::Loop& loop, std::shared_ptr<ClosedBatch> b, const RetryOptions& retry, LokiSink& sink)
      : batch(std::move(b)), backoff(retry.min, retry.max), timer(loop, [this, &sink] { sink.send(*this); }) {}

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
  return HttpClient::create(loop, std::move(http));
}
}  // namespace

Result<std::unique_ptr<LokiSink>> LokiSink::create(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store,
                                                   MemoryBudget& memory, const pipeline::Clock& clock,
                                                   pipeline::Registry& registry) {
  auto client = make_client(loop, options);
  if (!client) return pipeline::fail(client.error().within(concat("sink \"", options.name, "\"")));
  return std::unique_ptr<LokiSink>(
      new LokiSink(loop, std::move(options), store, memory, clock, registry, std::move(*client)));
}

LokiSink::LokiSink(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store, MemoryBudget& memory,
                   const pipeline::Clock& clock, pipeline::Registry& registry, std::unique_ptr<HttpClient> client)
    : loop_(loop),
      name_(options.name),
      options_(std::move(options)),
      compression_(options_.compression),
      most_closed_(kQueueFactor * options_.max_in_flight),
      store_(store),
      memory_(memory),
      clock_(clock),
      metrics_(registry, name_, host_of(options_.url)),
      producer_(store.resume().sinks.at(name_).producer),
      kept_(store.resume().sinks.at(name_)),
      progress_(store.resume().sinks.at(name_).positions,
                [this](FilePosition first) { store_.save_positions(name_, {first}); }),
      saver_(loop, store, name_, progress_),
      client_(std::move(client)),
      self_(std::make_shared<LokiSink*>(this)) {
  hold_unacked(store.resume().sinks.at(name_));
}

LokiSink::~LokiSink() {
  stopped_ = true;
  client_->close();
  for (auto& client : old_clients_) client->close();
  for (const InFlight& flight : in_flight_) account(*flight.batch, -1);
  for (const auto& batch : ready_) account(*batch, -1);
}

void LokiSink::hold_unacked(const SinkResume& resume) {
  for (const BatchRecord& record : resume.records) {
    if (record.acked) continue;
    unacked_.push_back(record);
    Progress::Hold hold = progress_.new_hold();
    rebuild_holds_[record.number] = hold;
    for (const RecordSegment& segment : record.segments)
      for (const LineRange& range : segment.ranges) progress_.hold(hold, segment.file, range.begin);
  }
}

std::unique_ptr<SinkPort> LokiSink::open_port(std::function<void()> on_room) {
  on_room_.push_back(std::move(on_room));
  return std::make_unique<PushPort>(
      PushPortParts{options_, *this, progress_, kept_, memory_, metrics_, clock_, rebuild_holds_});
}

// --- from the shards

BatchNumber LokiSink::next_number() { return {producer_.epoch, last_seq_.fetch_add(1, std::memory_order_relaxed) + 1}; }

Compression LokiSink::encoding() const {
  Compression wanted = compression_.load(std::memory_order_relaxed);
  return wanted == Compression::kAuto ? Compression::kSnappy : wanted;
}

void LokiSink::take(std::vector<std::unique_ptr<ClosedBatch>> batches) {
  std::vector<std::shared_ptr<ClosedBatch>> shared;
  std::vector<std::shared_ptr<const BatchRecord>> records;
  for (auto& batch : batches) {
    account(*batch, 1);
    if (!batch->rebuilt && !batch->record->segments.empty()) records.push_back(batch->record);
    shared.push_back(std::move(batch));
  }
  auto when_recorded = [weak = std::weak_ptr<LokiSink*>(self_), &loop = loop_, shared](Result<void> recorded) {
    if (!recorded) return;  // the store is closing: the bytes are read again at the next start
    loop.post([weak, shared] {
      if (auto self = weak.lock())
        for (auto& batch : shared) (*self)->ready(batch);
    });
  };
  if (records.empty()) return when_recorded({});
  store_.put_records(name_, std::move(records), std::move(when_recorded));
}

void LokiSink::give_up(const BatchRecord& record, Progress::Hold hold, const std::vector<FileId>& files) {
  log_warn("batch of an earlier run given up: its files are gone",
           {{"sink", name_}, {"epoch", record.number.epoch}, {"seq", record.number.seq}});
  progress_.release(hold, files);
  post([number = record.number](LokiSink& sink) { sink.saver_.acked(number); });
}

bool LokiSink::full() const {
  uint64_t batches = outstanding_batches_.load(std::memory_order_relaxed);
  return batches >= most_closed_.load(std::memory_order_relaxed) || (batches > 0 && memory_.exceeded()) ||
         window_full_.load(std::memory_order_relaxed);
}

void LokiSink::account(const ClosedBatch& batch, int64_t sign) {
  auto bytes = static_cast<int64_t>(batch.body->capacity());
  outstanding_batches_.fetch_add(static_cast<uint64_t>(sign), std::memory_order_relaxed);
  if (sign > 0)
    memory_.add(static_cast<uint64_t>(bytes));
  else
    memory_.release(static_cast<uint64_t>(bytes));
  metrics_.queued(sign, sign * bytes);
}

// --- on the loop

void LokiSink::post(std::function<void(LokiSink&)> task) {
  loop_.post([weak = std::weak_ptr<LokiSink*>(self_), task = std::move(task)] {
    if (auto self = weak.lock()) task(**self);
  });
}

void LokiSink::ready(std::shared_ptr<ClosedBatch> batch) {
  newest_hold_ = std::max(newest_hold_, batch->hold);
  ready_.push_back(std::move(batch));
  send_more();
}

void LokiSink::send_more() {
  while (!stopped_ && !ready_.empty() && in_flight_.size() < options_.max_in_flight) {
    InFlight& flight = in_flight_.emplace_back(loop_, std::move(ready_.front()), options_.retry, *this);
    flight.self = std::prev(in_flight_.end());
    ready_.pop_front();
    send(flight);
  }
  metrics_.in_flight(static_cast<int64_t>(in_flight_.size()));
}

void LokiSink::send(InFlight& flight) {
  if (stopped_) return;
  auto request = make_push_request(options_, producer_.uuid, *flight.batch);
  flight.sent_at = clock_.monotonic();
  if (!request) return on_answer(flight, judge_answer(pipeline::fail(request.error())));
  client_->send(std::move(*request), [this, &flight](Result<HttpClientResponse> response) {
    if (stopped_) return;
    PushAnswer answer = judge_answer(response);
    metrics_.request(answer.status, std::chrono::duration<double>(clock_.monotonic() - flight.sent_at).count());
    on_answer(flight, answer);
  });
}

void LokiSink::on_answer(InFlight& flight, const PushAnswer& answer) {
  const ClosedBatch& batch = *flight.batch;
  const RetryOptions& limits = options_.retry;
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

void LokiSink::retry(InFlight& flight, const PushAnswer& answer) {
  std::chrono::nanoseconds delay = flight.backoff.next(random_());
  if (answer.retry_after) delay = std::max(delay, *answer.retry_after);
  flight.repetitions++;
  metrics_.retry(flight.batch->tenant);
  if (auto held = retry_limiter_.allow())
    log_warn("sink retry", {{"sink", name_},
                            {"attempt", flight.repetitions},
                            {"delay", pipeline::format_duration(delay)},
                            {"error", answer.text},
                            {"held_back", *held}});
  flight.timer.start(delay);
}

void LokiSink::reject(InFlight& flight, std::string_view reason, const PushAnswer& answer) {
  const ClosedBatch& batch = *flight.batch;
  metrics_.dropped(reason, batch.volume, batch.tenant);
  if (auto held = reject_limiter_.allow())
    log_warn("batch dropped", {{"sink", name_},
                               {"reason", reason},
                               {"entries", batch.volume.entries},
                               {"tenant", batch.tenant},
                               {"error", answer.text},
                               {"held_back", *held}});
  settle(flight);
}

void LokiSink::settle(InFlight& flight) {
  std::shared_ptr<ClosedBatch> batch = flight.batch;
  in_flight_.erase(flight.self);
  progress_.release(batch->hold, batch->files);
  if (!batch->record->segments.empty() || batch->rebuilt) saver_.acked(batch->number);
  bool was_full = full();
  account(*batch, -1);
  update_window();
  send_more();
  if (was_full && !full()) call_on_room();
  if (stop_done_ && outstanding_batches_ == 0) finish_stop();
}

void LokiSink::update_window() {
  uint64_t oldest = newest_hold_;
  for (const InFlight& flight : in_flight_) oldest = std::min(oldest, flight.batch->hold);
  for (const auto& batch : ready_) oldest = std::min(oldest, batch->hold);
  window_full_ = newest_hold_ - oldest > kWindow;
}

void LokiSink::call_on_room() {
  for (auto& on_room : on_room_) on_room();
}

// --- a change of the configuration

Result<std::function<void()>> LokiSink::prepare_change(SinkOptions options) {
  std::shared_ptr<HttpClient> client = client_;
  bool same = options.tls == options_.tls && options.timeout == options_.timeout &&
              options.max_in_flight == options_.max_in_flight;
  if (!same) {
    auto made = make_client(loop_, options);
    if (!made) return pipeline::fail(made.error().within(concat("sink \"", name_, "\"")));
    client = std::move(*made);
  }
  return std::function<void()>(
      [this, options = std::move(options), client = std::move(client)] { change(options, client); });
}

void LokiSink::change(SinkOptions options, std::shared_ptr<HttpClient> client) {
  std::erase_if(old_clients_, [](auto& old) { return old->running() == 0; });
  if (client != client_) old_clients_.push_back(std::exchange(client_, std::move(client)));
  options_ = std::move(options);
  compression_ = options_.compression;
  most_closed_ = kQueueFactor * options_.max_in_flight;
  metrics_.set_host(host_of(options_.url));
  on_room_.clear();
  for (InFlight& flight : in_flight_)
    if (flight.timer.active()) flight.timer.start(std::chrono::nanoseconds(0));  // the far side may be another one
  send_more();
}

// --- the end

void LokiSink::stop(std::chrono::nanoseconds patience, std::function<void()> done) {
  if (!stop_done_) stop_done_ = std::move(done);
  if (stopped_) return;
  if (outstanding_batches_ == 0 || patience.count() <= 0) return finish_stop();
  stop_timer_ = std::make_unique<pipeline::Timer>(loop_, [this] { finish_stop(); });
  stop_timer_->start(patience);
}

void LokiSink::finish_stop() {
  if (stopped_) return;
  stopped_ = true;
  stop_timer_.reset();
  if (uint64_t left = outstanding_batches_; left > 0)
    log_warn("stopping with batches not acknowledged: they are sent at the next start",
             {{"sink", name_}, {"batches", left}});
  client_->close();
  for (auto& client : old_clients_) client->close();
  for (InFlight& flight : in_flight_) flight.timer.stop();
  saver_.save();
  loop_.post(std::exchange(stop_done_, nullptr));
}

}  // namespace agent
