#include "server/s3/s3_client.h"

#include <condition_variable>
#include <future>
#include <pthread.h>
#include <thread>

#include "pipeline/base/concat.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/text_encoding.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpClient;
using pipeline::HttpClientResponse;
using pipeline::Loop;
using pipeline::Result;

struct S3Client::State {
  State(S3Options o, S3Doors d, S3Target t)
      : options(std::move(o)),
        doors(std::move(d)),
        target(std::move(t)),
        place(target.place()),
        metrics(doors.registry, doors.clock, options.prices),
        chain(options.keys, options.region, doors.files, doors.clock, doors.environment) {}

  const S3Options options;
  const S3Doors doors;
  const S3Target target;
  const std::string place;
  S3Metrics metrics;
  const CredentialChain chain;

  // Of the client's thread.
  std::unique_ptr<Loop> loop;
  std::unique_ptr<pipeline::WorkerPool> pool;
  std::unique_ptr<HttpClient> http;
  std::unique_ptr<KeyKeeper> keys;
  std::unique_ptr<Exchanges> exchanges;
  std::unique_ptr<pipeline::Timer> giving_up;

  std::thread thread;

  Result<void> build();
  void run(std::promise<Result<void>> built);
};

Result<void> S3Client::State::build() {
  TRY_LET(loop, Loop::create());
  pipeline::HttpClientOptions http_options;
  http_options.tls.ca_file = options.ca_file;
  http_options.connect_timeout = options.connect_timeout;
  http_options.max_connections = options.max_requests;
  http_options.quick_ack = true;
  http_options.buffer_bytes = 128 << 10;
  http_options.max_response_bytes = 1 << 30;
  TRY_LET(http, HttpClient::create(*loop, std::move(http_options)));
  pool = std::make_unique<pipeline::WorkerPool>(*loop, "s3-keys", 1);
  keys = std::make_unique<KeyKeeper>(*loop, *pool, doors.clock, [this] { return chain.fetch(); });
  exchanges = std::make_unique<Exchanges>(ExchangeDoors{*loop, *http, *keys, doors.clock, metrics}, target, options);
  giving_up = std::make_unique<pipeline::Timer>(*loop, [this] { exchanges->stop(); });
  return {};
}

void S3Client::State::run(std::promise<Result<void>> built) {
  pthread_setname_np(pthread_self(), "s3");
  auto outcome = build();
  const bool well = outcome.has_value();
  built.set_value(std::move(outcome));
  if (well) {
    loop->run();
    exchanges->stop();
    keys->stop();
  }
  giving_up.reset();
  if (pool) pool->stop();
  exchanges.reset();
  keys.reset();
  pool.reset();
  http.reset();
  loop.reset();
}

S3Client::S3Client(std::unique_ptr<State> state) : state_(std::move(state)) {}

S3Client::~S3Client() {
  state_->loop->stop();
  state_->thread.join();
}

Result<std::unique_ptr<S3Client>> S3Client::start(S3Options options, S3Doors doors) {
  TRY_LET(S3Target target, S3Target::of(options));
  auto state = std::make_unique<State>(std::move(options), std::move(doors), std::move(target));
  std::promise<Result<void>> promise;
  auto built = promise.get_future();
  state->thread = std::thread([s = state.get(), p = std::move(promise)]() mutable { s->run(std::move(p)); });
  auto outcome = built.get();
  if (!outcome) {
    state->thread.join();
    return fail(outcome.error());
  }
  return std::unique_ptr<S3Client>(new S3Client(std::move(state)));
}

void S3Client::send(S3Request request, Exchanges::Done done) {
  // Here and not on the client's thread: hashing a part takes milliseconds.
  std::string hash;
  if (!state_->target.encrypted()) {
    hash = payload_hash(request.body ? std::string_view(*request.body) : "");
  } else {
    hash = kUnsignedPayload;
    if (request.body) {
      std::string digest;
      pipeline::append_base64(digest, pipeline::digest_bytes(pipeline::md5(*request.body)));
      request.headers.set("Content-MD5", std::move(digest));
    }
  }
  const bool posted = state_->loop->post(
      [s = state_.get(), request = std::move(request), hash = std::move(hash), done = std::move(done)]() mutable {
        if (!s->exchanges) return done(fail(Errc::kCancelled, "the S3 client is stopping"));
        s->exchanges->add(std::move(request), std::move(hash), std::move(done));
      });
  INVARIANT(posted);
}

Result<HttpClientResponse> S3Client::call(S3Request request) {
  struct Waiter {
    std::mutex mutex;
    std::condition_variable answered;
    std::optional<Result<HttpClientResponse>> answer;
  } waiter;
  send(std::move(request), [&waiter](Result<HttpClientResponse> answer) {
    std::lock_guard lock(waiter.mutex);
    waiter.answer = std::move(answer);
    waiter.answered.notify_one();
  });
  std::unique_lock lock(waiter.mutex);
  waiter.answered.wait(lock, [&] { return waiter.answer.has_value(); });
  return *std::move(waiter.answer);
}

void S3Client::give_up_after(std::chrono::milliseconds delay) {
  state_->loop->post([s = state_.get(), delay] {
    if (s->giving_up) s->giving_up->start(delay);
  });
}

const S3Options& S3Client::options() const { return state_->options; }
const std::string& S3Client::place() const { return state_->place; }
S3Metrics& S3Client::metrics() { return state_->metrics; }

}  // namespace server
