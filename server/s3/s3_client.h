// S3Client: one event loop on a thread of its own that speaks to a bucket, for workers that wait for its answers.
//
// Life:    start() to destruction; whoever calls is done by then. The doors outlive it.
// Thread:  any but its own for call(); any for send() and give_up_after().
// Limits, errors: as exchanges.h says.
#pragma once

#include <chrono>
#include <memory>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/metrics.h"
#include "server/s3/credentials.h"
#include "server/s3/exchanges.h"
#include "server/s3/s3_options.h"

namespace server {

struct S3Doors {
  pipeline::FileSystem& files;  // shared credentials, tokens
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  Environment environment;
};

class S3Client {
 public:
  // kInvalid: endpoint or certificates.
  static pipeline::Result<std::unique_ptr<S3Client>> start(S3Options options, S3Doors doors);
  ~S3Client();

  pipeline::Result<pipeline::HttpClientResponse> call(S3Request request);  // blocks
  void send(S3Request request, Exchanges::Done done);                      // `done` on the client's thread

  // From `delay` on every call fails with kCancelled, also those underway.
  void give_up_after(std::chrono::milliseconds delay);

  const S3Options& options() const;
  const std::string& place() const;  // "bucket b at https://host"
  S3Metrics& metrics();

 private:
  struct State;
  explicit S3Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace server
