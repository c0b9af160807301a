#include "server/s3/exchanges.h"

#include <algorithm>
#include <ctime>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::HttpClientRequest;
using pipeline::Timer;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kFirstPause{50}, kFirstSlowPause{250};
constexpr milliseconds kShortestTry{50};  // one with less time would be cut off, and its error say nothing
constexpr size_t kMostRunning = 3;        // of one exchange: where one in ten is late, so is one second in a hundred

// The Date header of an answer: "Fri, 24 May 2013 00:00:00 GMT".
std::optional<pipeline::UnixNanos> http_date(std::string_view text) {
  std::tm utc{};
  if (!strptime(std::string(text).c_str(), "%a, %d %b %Y %H:%M:%S", &utc)) return std::nullopt;
  return static_cast<int64_t>(timegm(&utc)) * 1'000'000'000;
}

}  // namespace

struct Exchanges::Try {
  pipeline::HttpClient::RequestId id = 0;
  milliseconds started{0};
  bool hedge = false;
  AwsKeys keys;
};

struct Exchanges::Exchange {
  S3Request request;
  std::string payload_hash;
  Done done;
  milliseconds started{0}, deadline{0};
  uint32_t tries = 0;
  std::optional<Error> said;  // why the last try failed that had its time
  std::vector<std::shared_ptr<Try>> running;
  std::unique_ptr<Timer> pause, hedge_timer;
  bool keys_changed = false, time_changed = false;  // once is enough
  bool finished = false;
};

Exchanges::Exchanges(ExchangeDoors doors, S3Target target, const S3Options& options)
    : doors_(doors),
      target_(std::move(target)),
      options_(options),
      limit_(options.max_requests),
      get_policy_(options.hedge_get_after, 10 * options.hedge_get_after),
      put_policy_(options.hedge_put_after, options.hedge_put_after),
      random_(std::random_device{}()) {}

Exchanges::~Exchanges() { stop(); }

void Exchanges::add(S3Request request, std::string payload_hash, Done done) {
  if (stopped_) return done(fail(Errc::kCancelled, "the S3 client is stopping"));
  auto exchange = std::make_shared<Exchange>();
  exchange->request = std::move(request);
  exchange->payload_hash = std::move(payload_hash);
  exchange->done = std::move(done);
  exchange->started = doors_.loop.now();
  exchange->deadline = exchange->started + options_.patience;
  all_.insert(exchange);
  waiting_.push_back(std::move(exchange));
  pump();
}

void Exchanges::pump() {
  while (!waiting_.empty() && running_ < limit_.value()) {
    ExchangePtr next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->finished) continue;
    if (doors_.loop.now() >= next->deadline) {
      finish(next, fail(Errc::kUnavailable, concat(target_.place(), ": too many requests wait")));
    } else {
      launch(next, false);
    }
  }
  doors_.metrics.limit.set(limit_.value());
  doors_.metrics.running.set(running_);
  doors_.metrics.waiting.set(static_cast<int64_t>(waiting_.size()));
}

void Exchanges::launch(const ExchangePtr& exchange, bool hedge) {
  ++running_;
  doors_.keys.get([this, exchange, hedge](pipeline::Result<AwsKeys> keys) {
    if (keys && !exchange->finished) return send(exchange, hedge, *keys);
    --running_;
    if (!exchange->finished && keys.error().code == Errc::kUnavailable) {
      try_again(exchange, "no_keys", keys.error(), false);
    } else if (!exchange->finished) {
      finish(exchange, fail(keys.error()));
    }
    pump();
  });
}

milliseconds Exchanges::timeout_of(const Exchange& exchange) const {
  const uint64_t bytes = exchange.request.answer_bytes + (exchange.request.body ? exchange.request.body->size() : 0);
  const milliseconds own = options_.answer_timeout + milliseconds(bytes * 1000 >> 20);
  return std::max(milliseconds(1), std::min(own, exchange.deadline - doors_.loop.now()));
}

void Exchanges::send(const ExchangePtr& exchange, bool hedge, const AwsKeys& keys) {
  const S3Request& request = exchange->request;
  const RequestToSign to_sign = target_.request(request.method, request.key, request.query);
  HttpClientRequest http;
  http.method = request.method;
  http.url = target_.url(to_sign);
  http.headers = request.headers;
  http.headers.set("x-amz-content-sha256", exchange->payload_hash);
  sign(to_sign, http.headers, exchange->payload_hash, keys, {options_.region, "s3"},
       doors_.clock.wall() + clock_offset_.count());
  http.body = request.body;
  http.timeout = timeout_of(*exchange);

  auto attempt = std::make_shared<Try>(Try{0, doors_.loop.now(), hedge, keys});
  exchange->running.push_back(attempt);
  if (!hedge) {
    ++exchange->tries;
    policy_of(*exchange).on_start();
    arm_hedge(exchange);
  }
  attempt->id = doors_.http.send(
      std::move(http), [this, exchange, attempt](Answer answer) { on_answer(exchange, attempt, std::move(answer)); });
}

HedgePolicy& Exchanges::policy_of(const Exchange& exchange) {
  return exchange.request.body ? put_policy_ : get_policy_;
}

void Exchanges::arm_hedge(const ExchangePtr& exchange) {
  if (!options_.hedge || !exchange->request.hedge) return;
  if (!exchange->hedge_timer) {
    exchange->hedge_timer = std::make_unique<Timer>(doors_.loop, [this, e = std::weak_ptr<Exchange>(exchange)] {
      if (auto held = e.lock()) on_hedge_time(held);
    });
  }
  exchange->hedge_timer->start(policy_of(*exchange).delay());
}

void Exchanges::on_hedge_time(const ExchangePtr& exchange) {
  // Where others wait already one more request makes nobody faster.
  if (exchange->finished || exchange->running.empty() || exchange->running.size() >= kMostRunning) return;
  if (running_ >= limit_.value() || !policy_of(*exchange).take()) return arm_hedge(exchange);
  doors_.metrics.hedges.add();
  launch(exchange, true);
  arm_hedge(exchange);
}

void Exchanges::on_answer(const ExchangePtr& exchange, const std::shared_ptr<Try>& attempt, Answer answer) {
  const milliseconds took = doors_.loop.now() - attempt->started;
  --running_;
  std::erase(exchange->running, attempt);
  const S3Request& request = exchange->request;
  doors_.metrics.on_answer(request.operation, answer ? answer->status : 0, took,
                           request.body ? request.body->size() : 0, answer ? answer->body.size() : 0);
  if (exchange->finished) return pump();

  const S3Verdict verdict = s3_verdict(answer);
  if (verdict == S3Verdict::kSlowDown) {
    limit_.on_slow_down(doors_.loop.now());
  } else if (answer) {
    limit_.on_answer(running_ + 1);
  }
  switch (verdict) {
    case S3Verdict::kFinal:
      if (answer) policy_of(*exchange).on_answer(took);
      if (answer && attempt->hedge) doors_.metrics.hedges_won.add();
      finish(exchange, std::move(answer));
      break;
    case S3Verdict::kNewKeys:
    case S3Verdict::kOtherTime:
      if (!send_at_once(exchange, *attempt, verdict, *answer)) finish(exchange, std::move(answer));
      break;
    case S3Verdict::kRetry:
    case S3Verdict::kSlowDown:
      if (!exchange->running.empty()) break;  // the other one may still bring the answer
      const bool slow_down = verdict == S3Verdict::kSlowDown;
      const std::string_view reason = slow_down ? "slow_down" : answer ? "server_error" : "no_answer";
      Error error = answer ? s3_error(*answer, target_.place()) : answer.error();
      // A try that the patience cut off says less than one before it.
      const bool cut_off = !answer && doors_.loop.now() + kShortestTry >= exchange->deadline;
      if (!cut_off || !exchange->said) exchange->said = std::move(error);
      try_again(exchange, reason, *exchange->said, slow_down);
      break;
  }
  pump();
}

// With other keys or another time, without a pause. False: that was done before, or does not help.
bool Exchanges::send_at_once(const ExchangePtr& exchange, const Try& attempt, S3Verdict verdict,
                             const pipeline::HttpClientResponse& answer) {
  if (verdict == S3Verdict::kNewKeys) {
    if (std::exchange(exchange->keys_changed, true) || !doors_.keys.distrust(attempt.keys)) return false;
    doors_.metrics.retries("keys").add();
  } else {
    auto theirs = http_date(answer.headers.get("Date"));
    if (std::exchange(exchange->time_changed, true) || !theirs) return false;
    clock_offset_ = std::chrono::nanoseconds(*theirs - doors_.clock.wall());
    doors_.metrics.retries("clock").add();
  }
  if (exchange->running.empty()) waiting_.push_front(exchange);
  return true;
}

void Exchanges::try_again(const ExchangePtr& exchange, std::string_view reason, Error error, bool slow_down) {
  const uint32_t doublings = std::min(exchange->tries, 10u);
  const milliseconds whole =
      std::min(options_.longest_pause, (slow_down ? kFirstSlowPause : kFirstPause) * (1u << doublings) / 2);
  const milliseconds pause = whole / 2 + milliseconds(random_() % static_cast<uint64_t>(whole.count() / 2 + 1));
  const milliseconds now = doors_.loop.now();
  if (now + pause + kShortestTry >= exchange->deadline) {
    const auto took = std::chrono::duration_cast<std::chrono::duration<double>>(now - exchange->started).count();
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.1f", took);
    return finish(exchange,
                  fail(Errc::kUnavailable, concat(error.message, " (gave up after ", exchange->tries,
                                                  exchange->tries == 1 ? " try in " : " tries in ", seconds, " s)")));
  }
  doors_.metrics.retries(reason).add();
  if (exchange->hedge_timer) exchange->hedge_timer->stop();
  exchange->pause = std::make_unique<Timer>(doors_.loop, [this, e = std::weak_ptr<Exchange>(exchange)] {
    auto held = e.lock();
    if (!held || held->finished) return;
    waiting_.push_back(std::move(held));
    pump();
  });
  exchange->pause->start(pause);
}

void Exchanges::finish(const ExchangePtr& exchange, Answer answer) {
  if (std::exchange(exchange->finished, true)) return;
  const ExchangePtr held = exchange;
  held->pause.reset();
  held->hedge_timer.reset();
  for (const auto& other : std::exchange(held->running, {})) doors_.http.cancel(other->id);
  all_.erase(held);
  held->done(std::move(answer));
}

void Exchanges::stop() {
  stopped_ = true;
  while (!all_.empty()) {
    const ExchangePtr next = *all_.begin();
    finish(next, fail(Errc::kCancelled, "the S3 client is stopping"));
  }
  waiting_.clear();
}

}  // namespace server
