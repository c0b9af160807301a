// Exchanges: requests to the bucket with all that happens until they have an answer: signed, sent, sent again after a
// pause (exponential, with jitter), sent twice where the first is slow, held back where the store says it is too much.
//
// Life:    stop() tells all that are underway kCancelled. The doors outlive it.
// Thread:  loop.
// Limits:  S3Options::max_requests at once, those that wait are kept in order; an exchange ends by S3Options::patience.
#pragma once

#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "pipeline/http/http_client.h"
#include "pipeline/loop/timer.h"
#include "server/s3/hedge_policy.h"
#include "server/s3/key_keeper.h"
#include "server/s3/request_limit.h"
#include "server/s3/s3_error.h"
#include "server/s3/s3_metrics.h"
#include "server/s3/s3_target.h"

namespace server {

struct S3Request {
  S3Operation operation = S3Operation::kGet;
  std::string method = "GET";
  std::string key = {};  // the whole key; "": the bucket itself
  QueryParameters query = {};
  pipeline::HttpHeaders headers = {};  // signed too
  std::shared_ptr<const std::string> body = {};
  uint64_t answer_bytes = 0;  // about how many are expected
  bool hedge = true;          // may be sent twice: whatever has the same effect once and twice
};

struct ExchangeDoors {
  pipeline::Loop& loop;
  pipeline::HttpClient& http;
  KeyKeeper& keys;
  const pipeline::Clock& clock;
  S3Metrics& metrics;
};

class Exchanges {
 public:
  // Any answer that is not worth another try, also a refusal; kUnavailable: none within the time; kCancelled.
  using Done = pipeline::UniqueFunction<void(pipeline::Result<pipeline::HttpClientResponse>)>;

  Exchanges(ExchangeDoors doors, S3Target target, const S3Options& options);
  ~Exchanges();

  // `payload_hash`: as signed. `done` exactly once, perhaps inside the call when stopped.
  void add(S3Request request, std::string payload_hash, Done done);
  void stop();

 private:
  struct Exchange;
  struct Try;
  using ExchangePtr = std::shared_ptr<Exchange>;
  using Answer = pipeline::Result<pipeline::HttpClientResponse>;

  void pump();
  void launch(const ExchangePtr& exchange, bool hedge);
  void send(const ExchangePtr& exchange, bool hedge, const AwsKeys& keys);
  void arm_hedge(const ExchangePtr& exchange);
  void on_hedge_time(const ExchangePtr& exchange);
  void on_answer(const ExchangePtr& exchange, const std::shared_ptr<Try>& attempt, Answer answer);
  bool send_at_once(const ExchangePtr& exchange, const Try& attempt, S3Verdict verdict,
                    const pipeline::HttpClientResponse& answer);
  void try_again(const ExchangePtr& exchange, std::string_view reason, pipeline::Error error, bool slow_down);
  void finish(const ExchangePtr& exchange, Answer answer);
  HedgePolicy& policy_of(const Exchange& exchange);
  std::chrono::milliseconds timeout_of(const Exchange& exchange) const;

  const ExchangeDoors doors_;
  const S3Target target_;
  const S3Options& options_;
  RequestLimit limit_;
  HedgePolicy get_policy_, put_policy_;
  std::minstd_rand random_;
  std::chrono::nanoseconds clock_offset_{0};  // what the store's clock is ahead of ours, once it complained
  uint32_t running_ = 0;
  std::deque<ExchangePtr> waiting_;
  std::set<ExchangePtr> all_;
  bool stopped_ = false;
};

}  // namespace server
