#include "server/ingest/stream_activity.h"

#include <doctest/doctest.h>

using namespace server;
using namespace std::chrono_literals;
using Admission = StreamActivity::Admission;

TEST_SUITE_BEGIN("ingest");

namespace {

pipeline::StreamId stream(int n) { return pipeline::hash128(std::to_string(n)); }

}  // namespace

TEST_CASE("activity: a tenant may push its rate, and a burst at once") {
  StreamActivity activity;
  TenantLimits limits;
  CHECK(activity.take_bytes("a", limits, 1ULL << 40, 0s));  // off
  limits.ingestion_rate_mb = 1;
  limits.ingestion_burst_size_mb = 2;
  CHECK_FALSE(activity.take_bytes("a", limits, (2 << 20) + 1, 0s));  // more than the burst: never
  CHECK(activity.take_bytes("a", limits, 2 << 20, 0s));
  CHECK_FALSE(activity.take_bytes("a", limits, 1 << 20, 500ms));
  CHECK(activity.take_bytes("b", limits, 1 << 20, 500ms));  // each tenant by itself
  CHECK(activity.take_bytes("a", limits, 1 << 20, 1001ms));
  CHECK_FALSE(activity.take_bytes("a", limits, 3 << 20, 1h));
}

TEST_CASE("activity: streams beyond the limit are refused until others have been quiet for an hour") {
  StreamActivity activity;
  TenantLimits limits;
  limits.max_streams_per_user = 10;
  limits.max_global_streams_per_user = 2;
  CHECK(activity.admit("a", stream(1), limits, 1, 0min) == Admission::kYes);
  CHECK(activity.admit("a", stream(2), limits, 1, 0min) == Admission::kYes);
  CHECK(activity.admit("a", stream(3), limits, 1, 1min) == Admission::kTooManyStreams);
  CHECK(activity.admit("b", stream(3), limits, 1, 1min) == Admission::kYes);
  CHECK(activity.admit("a", stream(2), limits, 1, 30min) == Admission::kYes);
  CHECK(activity.admit("a", stream(3), limits, 1, 61min) == Admission::kYes);  // the first is forgotten
  CHECK(activity.admit("a", stream(1), limits, 1, 62min) == Admission::kTooManyStreams);
}

TEST_CASE("activity: a stream may push its rate") {
  StreamActivity activity;
  TenantLimits limits;
  limits.per_stream_rate_limit = 100;
  limits.per_stream_rate_limit_burst = 200;
  CHECK(activity.admit("a", stream(1), limits, 200, 0s) == Admission::kYes);
  CHECK(activity.admit("a", stream(1), limits, 1, 0s) == Admission::kTooFast);
  CHECK(activity.admit("a", stream(2), limits, 200, 0s) == Admission::kYes);
  CHECK(activity.admit("a", stream(1), limits, 100, 1s) == Admission::kYes);
}

TEST_CASE("activity: the newest time of a stream never goes back") {
  StreamActivity activity;
  CHECK_FALSE(activity.newest("a", stream(1)));
  activity.set_newest("a", stream(1), 10, 0s);
  activity.set_newest("a", stream(1), 5, 0s);
  CHECK(activity.newest("a", stream(1)) == 10);
  CHECK_FALSE(activity.newest("b", stream(1)));
}

TEST_SUITE_END();
