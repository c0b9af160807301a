#include "server/s3/key_keeper.h"

#include "pipeline/base/log.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::nanoseconds kRenewBefore = 5min;    // their expiry; the services give new ones by then
constexpr std::chrono::nanoseconds kUnusableBefore = 10s;  // a request signed now may arrive later
constexpr std::chrono::milliseconds kPause = 5s;           // between fetches that fail or bring refused keys

}  // namespace

void KeyKeeper::get(Done done) {
  if (stopped_) return done(fail(Errc::kCancelled, "the S3 client is stopping"));
  const auto left = keys_ && keys_->expires_at ? std::chrono::nanoseconds(*keys_->expires_at - clock_.wall())
                                               : std::chrono::nanoseconds::max();
  const bool usable = keys_ && left > kUnusableBefore;
  const bool paused = trouble_ && loop_.now() - fetched_at_ < kPause;
  if (usable) {
    if (left <= kRenewBefore && !paused) refresh();
    return done(*keys_);
  }
  if (paused && !fetching_) return done(fail(*trouble_));
  waiting_.push_back(std::move(done));
  refresh();
}

bool KeyKeeper::distrust(const AwsKeys& keys) {
  if (fetching_ || !keys_) return true;
  if (keys_->secret_access_key != keys.secret_access_key || keys_->session_token != keys.session_token) return true;
  if (distrusted_at_ && loop_.now() - *distrusted_at_ < kPause) return false;
  distrusted_at_ = loop_.now();
  keys_.reset();
  return true;
}

void KeyKeeper::refresh() {
  if (fetching_) return;
  fetching_ = true;
  pool_.run([fetch = fetch_] { return fetch(); }, [this](Result<AwsKeys> keys) { on_fetched(std::move(keys)); });
}

void KeyKeeper::on_fetched(Result<AwsKeys> keys) {
  fetching_ = false;
  fetched_at_ = loop_.now();
  trouble_.reset();
  if (keys) {
    keys_ = *keys;
  } else {
    trouble_ = keys.error();
    if (!stopped_) pipeline::log_warn("no new keys for S3", {{"error", keys.error()}});
  }
  for (Done& done : std::exchange(waiting_, {})) done(keys);
}

void KeyKeeper::stop() {
  stopped_ = true;
  for (Done& done : std::exchange(waiting_, {})) done(fail(Errc::kCancelled, "the S3 client is stopping"));
}

}  // namespace server
