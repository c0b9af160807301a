#include "agent/sink/batch_sender.h"

#include <algorithm>
#include <optional>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/batch_losses.h"
#include "agent/sink/batch_parts.h"
#include "agent/sink/fault_kind.h"
#include "agent/sink/push_request.h"
#include "pipeline/base/quantity.h"

namespace agent {

using pipeline::concat;
using pipeline::HttpClient;
using pipeline::HttpClientResponse;
using pipeline::log_info;
using pipeline::log_warn;
using pipeline::Result;
using Kind = PushAnswer::Kind;

namespace {
constexpr std::chrono::seconds kLookEvery{1};        // at the TLS files
constexpr std::chrono::seconds kDeadLetterRetry{5};  // after a failed write
constexpr std::chrono::milliseconds kSoonestHedge{20};
constexpr uint64_t kSmallestLimit = 16 << 10;  // of what batches may hold where larger ones are too large
constexpr uint64_t kLimitGrowth = 256;         // with each ack by one part of this

Result<std::unique_ptr<HttpClient>> make_client(pipeline::Loop& loop, const SinkOptions& options) {
  pipeline::HttpClientOptions http;
  http.tls = {options.tls.ca_file, options.tls.cert_file, options.tls.key_file, options.tls.server_name};
  http.connect_timeout =
      std::min(http.connect_timeout, std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout));
  http.max_response_bytes = 1 << 20;
  http.max_connections = static_cast<uint32_t>(options.max_in_flight);
  http.proxy_url = options.proxy_url;
  http.no_proxy = options.no_proxy;
  auto client = HttpClient::create(loop, std::move(http));
  if (!client) return pipeline::fail(client.error().within(concat("sink \"", options.name, "\"")));
  return client;
}

FileStamps stamps_of(const SinkTls& tls) { return FileStamps({tls.ca_file, tls.cert_file, tls.key_file}); }

bool is_url_failure(const PushAnswer& answer) {
  return answer.kind == Kind::kRetry && (answer.status == 0 || answer.status >= 500);
}
bool is_push_back(const PushAnswer& answer) {
  return answer.kind == Kind::kRetry && (answer.status == 0 || answer.status == 429 || answer.status == 503);
}
}  // namespace

struct BatchSender::Request {
  uint64_t key = 0;
  std::shared_ptr<HttpClient> client;
  HttpClient::RequestId id = 0;
  size_t url = 0;
  std::chrono::nanoseconds sent_at{0};
};

struct BatchSender::Answered {
  std::string reason;
  PushAnswer answer;
};

struct BatchSender::InFlight {
  InFlight(BatchSender& sender, std::shared_ptr<ClosedBatch> b, InFlight* w)
      : batch(std::move(b)),
        whole(w),
        backoff(sender.options_.retry.min, sender.options_.retry.max),
        timer(sender.parts_.loop, [this, &sender] { refused ? sender.write_dead_letter(*this) : sender.start(*this); }),
        hedge_timer(sender.parts_.loop, [this, &sender] { sender.hedge(*this); }) {}

  std::shared_ptr<ClosedBatch> batch;
  InFlight* whole;           // that this is a half of, or null
  uint64_t halves_left = 0;  // of this, on their way
  Backoff backoff;
  pipeline::Timer timer;  // until the next repetition
  pipeline::Timer hedge_timer;
  uint64_t repetitions = 0;
  std::vector<Request> requests;    // under way: one, or two
  std::optional<Answered> refused;  // for good; it is being written to the dead-letter folder
  std::list<InFlight>::iterator self;
};

Result<std::unique_ptr<BatchSender>> BatchSender::create(SinkOptions options, BatchSenderParts parts) {
  TRY_LET(auto client, make_client(parts.loop, options));
  return std::unique_ptr<BatchSender>(new BatchSender(std::move(options), std::move(parts), std::move(client)));
}

BatchSender::BatchSender(SinkOptions options, BatchSenderParts parts, std::unique_ptr<HttpClient> client)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      splits_(parts_.store, options_.name),
      client_(std::move(client)),
      tls_files_(stamps_of(options_.tls)),
      urls_(1 + options_.failover_urls.size()),
      window_(options_.max_in_flight),
      self_(std::make_shared<BatchSender*>(this)) {
  if (!options_.dead_letter.dir.empty())
    dead_letters_ = std::make_unique<DeadLetters>(parts_.loop, options_.dead_letter, options_.name, parts_.metrics);
  parts_.metrics.window(window_.size());
}

BatchSender::~BatchSender() { close(); }

void BatchSender::send(std::shared_ptr<ClosedBatch> batch) {
  if (!closed_) begin(add(std::move(batch), nullptr));
}

BatchSender::InFlight& BatchSender::add(std::shared_ptr<ClosedBatch> batch, InFlight* whole) {
  InFlight& flight = in_flight_.emplace_back(*this, std::move(batch), whole);
  flight.self = std::prev(in_flight_.end());
  parts_.metrics.in_flight(static_cast<int64_t>(in_flight_.size()));
  return flight;
}

void BatchSender::for_each(const std::function<void(const ClosedBatch&)>& what) const {
  for (const InFlight& flight : in_flight_)
    if (!flight.whole) what(*flight.batch);
}

// --- requests

// A batch that was split before, perhaps by an earlier run, is split again the same way: some of it may be stored.
void BatchSender::begin(InFlight& flight) {
  if (splits_.find(flight.batch->number)) return split(flight, {});
  start(flight);
}

void BatchSender::start(InFlight& flight) {
  if (closed_) return;
  const std::chrono::nanoseconds now = parts_.clock.monotonic();
  if (now < not_before_) return flight.timer.start(not_before_ - now);
  if (requests_ >= window_.size()) return waiting_.push_back(&flight);
  if (options_.hedge) {
    if (auto longest = window_.longest_as_a_rule())
      flight.hedge_timer.start(std::max<std::chrono::nanoseconds>(*longest, kSoonestHedge));
  }
  request(flight, urls_.next(now));
}

void BatchSender::start_waiting() {
  while (!closed_ && !waiting_.empty() && requests_ < window_.size()) {
    InFlight& next = *waiting_.front();
    waiting_.pop_front();
    start(next);
  }
}

void BatchSender::request(InFlight& flight, size_t which) {
  renew_client();
  auto request = make_push_request(options_, url(which), parts_.producer, *flight.batch);
  const std::chrono::nanoseconds now = parts_.clock.monotonic();
  if (!request && flight.requests.empty())
    return on_answer(flight, judge_answer(pipeline::fail(request.error()), parts_.clock.wall()));
  if (!request) return;  // a hedge; the first one is under way
  const uint64_t key = ++last_key_;
  requests_++;
  auto id = client_->send(std::move(*request), [this, &flight, key](Result<HttpClientResponse> response) {
    if (!closed_) on_response(flight, key, response);
  });
  flight.requests.push_back({key, client_, id, which, now});
}

// The answer is late: whoever answers first, here or there, counts. Both have the same number.
void BatchSender::hedge(InFlight& flight) {
  if (closed_ || flight.requests.size() != 1) return;
  parts_.metrics.hedged();
  request(flight, urls_.other_than(flight.requests[0].url));
}

void BatchSender::on_response(InFlight& flight, uint64_t key, const Result<HttpClientResponse>& response) {
  auto at = std::find_if(flight.requests.begin(), flight.requests.end(), [&](auto& r) { return r.key == key; });
  if (at == flight.requests.end()) return;  // cancelled below
  Request request = std::move(*at);
  flight.requests.erase(at);
  requests_--;
  PushAnswer answer = judge_answer(response, parts_.clock.wall());
  const std::chrono::nanoseconds took = parts_.clock.monotonic() - request.sent_at;
  parts_.metrics.request(answer.status, std::chrono::duration<double>(took).count());
  note_health(request, answer);
  if (answer.kind != Kind::kRetry || flight.requests.empty()) {
    flight.hedge_timer.stop();
    for (Request& other : std::exchange(flight.requests, {})) requests_--, other.client->cancel(other.id);
    on_answer(flight, answer);
  }
  start_waiting();
}

void BatchSender::note_health(const Request& request, const PushAnswer& answer) {
  const std::chrono::nanoseconds now = parts_.clock.monotonic();
  if (answer.kind == Kind::kAcked) window_.acked(request.sent_at, now);
  if (is_push_back(answer)) window_.pushed_back(request.sent_at, now);
  parts_.metrics.window(window_.size());
  const bool changed = is_url_failure(answer) ? urls_.failed(request.url, now) : urls_.worked(request.url);
  if (!changed) return;
  parts_.metrics.failover();
  log_warn("sink uses another url", {{"sink", options_.name}, {"url", hide_secrets(url(urls_.current()))}});
  not_before_ = {};
  retry_all_now();
}

void BatchSender::on_answer(InFlight& flight, const PushAnswer& answer) {
  const ClosedBatch& batch = *flight.batch;
  const RetryOptions& limits = options_.retry;
  away_ = answer.kind == Kind::kRetry;
  if (answer.kind != Kind::kRetry) parts_.store.note_fault(options_.name, "", parts_.clock.wall());
  if (answer.kind == Kind::kAcked) {
    parts_.metrics.sent(batch.volume, batch.body->size(), batch.tenant);
    note_size(0);
    return settle(flight);
  }
  if (answer.kind == Kind::kTooLarge) return split(flight, answer);
  if (answer.kind == Kind::kRejected) return refuse(flight, "rejected", answer);
  if (limits.max_retries > 0 && flight.repetitions >= limits.max_retries)
    return refuse(flight, answer.status == 429 ? "rate_limited" : "max_retries", answer);
  if (limits.max_age.count() > 0 && parts_.clock.monotonic() - batch.closed_at >= limits.max_age)
    return refuse(flight, "max_age", answer);
  retry(flight, answer);
}

void BatchSender::retry(InFlight& flight, const PushAnswer& answer) {
  std::chrono::nanoseconds delay = flight.backoff.next(random_());
  if (answer.retry_after) {
    delay = std::max(delay, *answer.retry_after);
    not_before_ = std::max(not_before_, parts_.clock.monotonic() + *answer.retry_after);
  }
  parts_.store.note_fault(options_.name, concat(fault_kind(answer), ": ", answer.text), parts_.clock.wall());
  flight.repetitions++;
  parts_.metrics.retry(flight.batch->tenant);
  if (auto held = retry_limiter_.allow())
    log_warn("sink retry", {{"sink", options_.name},
                            {"attempt", flight.repetitions},
                            {"delay", pipeline::format_duration(delay)},
                            {"error", answer.text},
                            {"held_back", *held}});
  flight.timer.start(delay);
}

void BatchSender::retry_all_now() {
  for (InFlight& flight : in_flight_)
    if (flight.timer.active() && !flight.refused) flight.timer.start(std::chrono::nanoseconds(0));
}

// --- too large

void BatchSender::note_size(uint64_t too_large_bytes) {
  const uint64_t limit = batch_limit();
  if (too_large_bytes > 0)
    batch_limit_ = std::max(kSmallestLimit, std::min(limit, too_large_bytes) / 2);
  else if (limit != kNoLimit)
    batch_limit_ = limit < options_.batch_bytes ? limit + limit / kLimitGrowth : kNoLimit;
}

// `answer`: who says so; without a status: it is known from before.
void BatchSender::split(InFlight& flight, const PushAnswer& answer) {
  const BatchNumber number = flight.batch->number;
  const auto known = splits_.find(number);
  SplitNumbers::Halves numbers = known ? *known : SplitNumbers::Halves{parts_.next_number(), parts_.next_number()};
  auto halves = split_batch(*flight.batch, numbers.first, numbers.second);
  if (!halves) return refuse(flight, "too_large", answer);
  if (known) return send_halves(flight, std::move(*halves));
  parts_.metrics.split();
  if (!flight.whole) note_size(flight.batch->volume.bytes);  // of halves it was known
  if (auto held = refuse_limiter_.allow())
    log_info("batch is too large for the far side, its halves are sent", {{"sink", options_.name},
                                                                          {"entries", flight.batch->volume.entries},
                                                                          {"error", answer.text},
                                                                          {"held_back", *held}});
  auto shared = std::make_shared<std::pair<ClosedBatch, ClosedBatch>>(std::move(*halves));
  splits_.add(number, numbers,
              [weak = std::weak_ptr(self_), &loop = parts_.loop, &flight, shared](Result<void> recorded) {
                if (!recorded) return;  // the store is closing
                loop.post([weak, &flight, shared] {
                  auto self = weak.lock();
                  if (self && !(*self)->closed_) (*self)->send_halves(flight, std::move(*shared));
                });
              });
}

void BatchSender::send_halves(InFlight& flight, std::pair<ClosedBatch, ClosedBatch> halves) {
  flight.halves_left = 2;
  InFlight& first = add(std::make_shared<ClosedBatch>(std::move(halves.first)), &flight);
  InFlight& second = add(std::make_shared<ClosedBatch>(std::move(halves.second)), &flight);
  begin(first);
  begin(second);
}

// --- refused

void BatchSender::refuse(InFlight& flight, std::string reason, const PushAnswer& answer) {
  flight.refused = Answered{std::move(reason), answer};
  if (dead_letters_)
    write_dead_letter(flight);
  else
    drop(flight);
}

void BatchSender::write_dead_letter(InFlight& flight) {
  if (closed_) return;
  if (!dead_letters_) return drop(flight);  // the configuration was changed meanwhile
  auto written = [weak = std::weak_ptr(self_), &flight](Result<void> done) {
    auto self = weak.lock();
    if (!self || (*self)->closed_) return;
    BatchSender& sender = **self;
    if (done) return sender.drop(flight);
    sender.parts_.metrics.dead_letter_failed();
    if (auto held = sender.dead_letter_limiter_.allow())
      pipeline::log_error("dead letter not written, it is tried again",
                          {{"sink", sender.options_.name}, {"error", done.error()}, {"held_back", *held}});
    flight.timer.start(kDeadLetterRetry);
  };
  dead_letters_->write(flight.batch, flight.refused->reason, flight.refused->answer, written);
}

// What the server kept of it counts as sent.
void BatchSender::drop(InFlight& flight) {
  const ClosedBatch& batch = *flight.batch;
  const auto& [reason, answer] = *flight.refused;
  std::map<std::string, uint64_t> refused = count_refused(batch, answer.refusals);
  if (answer.refusals.empty()) refused[reason] = batch.volume.entries;
  note_losses(flight, refused);
  SinkMetrics::Volume kept = batch.volume;
  for (const auto& [why, entries] : refused) {
    SinkMetrics::Volume gone{entries, batch.volume.entries ? batch.volume.bytes * entries / batch.volume.entries : 0};
    parts_.metrics.dropped(why, gone, batch.tenant);
    kept.entries -= gone.entries, kept.bytes -= gone.bytes;
  }
  if (dead_letters_) parts_.metrics.dead_lettered(batch.volume.entries - kept.entries);
  if (kept.entries > 0) parts_.metrics.sent(kept, batch.body->size(), batch.tenant);
  if (auto held = refuse_limiter_.allow())
    log_warn("batch dropped", {{"sink", options_.name},
                               {"reason", answer.refusals.empty() ? reason : answer.refusals[0].reason},
                               {"entries", batch.volume.entries - kept.entries},
                               {"kept", kept.entries},
                               {"tenant", batch.tenant},
                               {"error", answer.text},
                               {"held_back", *held}});
  settle(flight);
}

// Kept with the whole batch until that is answered.
void BatchSender::note_losses(const InFlight& flight, const std::map<std::string, uint64_t>& refused) {
  const InFlight* root = &flight;
  while (root->whole) root = root->whole;
  const PushAnswer& answer = flight.refused->answer;
  for (const auto& [why, entries] : refused)
    add_lost(*root->batch, concat("sink:", why == "rejected" ? fault_kind(answer) : std::string_view(why)), entries,
             answer.text);
}

void BatchSender::settle(InFlight& flight) {
  std::shared_ptr<ClosedBatch> batch = flight.batch;
  InFlight* whole = flight.whole;
  in_flight_.erase(flight.self);
  parts_.metrics.in_flight(static_cast<int64_t>(in_flight_.size()));
  if (whole) {
    if (--whole->halves_left == 0) settle(*whole);
    return;
  }
  splits_.settled(batch->number);
  parts_.settled(std::move(batch));
}

// --- clients, a change of the configuration, the end

void BatchSender::renew_client() {
  const std::chrono::nanoseconds now = parts_.clock.monotonic();
  if (now < next_look_) return;
  next_look_ = now + kLookEvery;
  if (!tls_files_.changed()) return;
  auto client = make_client(parts_.loop, options_);
  if (!client) return log_warn("sink keeps its connections", {{"sink", options_.name}, {"error", client.error()}});
  log_info("sink uses its TLS files anew, they have changed", {{"sink", options_.name}});
  use_client(std::move(*client));
}

void BatchSender::use_client(std::shared_ptr<HttpClient> client) {
  std::erase_if(old_clients_, [](auto& old) { return old->running() == 0; });
  old_clients_.push_back(std::exchange(client_, std::move(client)));
}

Result<std::function<void()>> BatchSender::prepare_change(SinkOptions options) {
  std::shared_ptr<HttpClient> client = client_;
  bool same = options.tls == options_.tls && options.timeout == options_.timeout &&
              options.max_in_flight == options_.max_in_flight && options.proxy_url == options_.proxy_url &&
              options.no_proxy == options_.no_proxy;
  if (!same) { TRY_LET(client, make_client(parts_.loop, options)); }
  return std::function<void()>(
      [this, options = std::move(options), client = std::move(client)] { change(options, client); });
}

void BatchSender::change(SinkOptions options, std::shared_ptr<HttpClient> client) {
  if (client != client_) use_client(std::move(client));
  if (options.tls != options_.tls) tls_files_ = stamps_of(options.tls);
  if (options.url != options_.url || options.failover_urls != options_.failover_urls)
    urls_ = UrlChoice(1 + options.failover_urls.size());
  const bool other_folder = options.dead_letter != options_.dead_letter;
  options_ = std::move(options);
  window_.set_max(options_.max_in_flight);
  not_before_ = {};
  batch_limit_ = kNoLimit;
  if (other_folder) {
    dead_letters_.reset();  // what waited there is written again, to the new one
    if (!options_.dead_letter.dir.empty())
      dead_letters_ = std::make_unique<DeadLetters>(parts_.loop, options_.dead_letter, options_.name, parts_.metrics);
  }
  retry_all_now();  // the far side may be another one
}

void BatchSender::close() {
  closed_ = true;
  client_->close();
  for (auto& client : old_clients_) client->close();
  for (InFlight& flight : in_flight_) flight.timer.stop(), flight.hedge_timer.stop();
}

}  // namespace agent
