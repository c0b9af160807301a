#include <doctest/doctest.h>
#include <set>

#include "server/ingest/testing/ingest_house.h"

using namespace server;

TEST_SUITE_BEGIN("server/ingest");

TEST_CASE("ingest: a tenant beyond its rate gets 429 and nothing of that push is stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.ingestion_rate_mb = limits.ingestion_burst_size_mb = 10.0 / (1 << 20);
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"12345"})).status == 204);
  auto answer = house.push(body_of("x", {"678", "9012"}));
  CHECK(answer.status == 429);
  CHECK(answer.body ==
        "ingestion rate limit exceeded for user fake (limit: 10 bytes/sec) while attempting to ingest '2' lines "
        "totaling '7' bytes, reduce log volume or contact your Loki administrator to see if the limit can be "
        "increased\n");
  CHECK(house.counted("loki_discarded_samples_total", {{"reason", "rate_limited"}, {"tenant", "fake"}}) == 2);
  CHECK(house.lines().size() == 1);
}

TEST_CASE("ingest: streams beyond the limit are refused with 429, those beside them are stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.max_global_streams_per_user = 1;
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  auto answer = house.push(
      R"({"streams":[{"stream":{"app":"y"},"values":[["1","no"]]},{"stream":{"app":"x"},"values":[["2","two"]]}]})");
  CHECK(answer.status == 429);
  CHECK(answer.body.starts_with("maximum active stream limit exceeded when trying to create stream {app=\"y\""));
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
  house.crash();  // what was refused does not come back with the replay
  CHECK(house.lines() == Lines{{"one", 1}, {"two", 1}});
}

TEST_CASE("ingest: bytes are lines and metadata as they were sent, for limits and metrics alike") {
  IngestHouse house;
  TenantLimits limits;
  limits.per_stream_rate_limit = limits.per_stream_rate_limit_burst = 10;
  house.limits.replace({limits, {}});
  const std::string push = R"({"streams":[{"stream":{"app":"x"},"values":[["1","12345",{"k":"v234"}]]}]})";
  CHECK(house.push(push).status == 204);
  auto answer = house.push(push);
  CHECK(answer.status == 429);
  CHECK(
      answer.body.starts_with("Per stream rate limit exceeded (limit: 10B/sec) while attempting to ingest for stream "
                              "'{app=\"x\", service_name=\"x\"}' totaling 10B"));
  CHECK(house.counted("loki_distributor_bytes_received_total", {{"tenant", "fake"}}) == 10);
  CHECK(house.counted("loki_discarded_bytes_total", {{"reason", "per_stream_rate_limit"}, {"tenant", "fake"}}) == 10);
}

TEST_CASE("ingest: lines that are cut are counted") {
  IngestHouse house;
  TenantLimits limits;
  limits.max_line_size = 4;
  limits.max_line_size_truncate = true;
  limits.max_line_size_truncate_identifier = "~";
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"1234", "123456", "12345"})).status == 204);
  CHECK(house.lines() == Lines{{"1234", 1}, {"123~", 2}});
  CHECK(house.counted("loki_mutated_samples_total", {{"reason", "line_too_long"}, {"tenant", "fake"}}) == 2);
  CHECK(house.counted("loki_mutated_bytes_total", {{"reason", "line_too_long"}, {"tenant", "fake"}}) == 3);
}

TEST_CASE("ingest: a backfill may be old, and its streams say which one they are of") {
  IngestHouse house;
  TenantLimits limits;
  limits.reject_old_samples = true;
  limits.reject_old_samples_max_age = std::chrono::hours(1);
  limits.retention_period = {};
  limits.discover_service_name.clear();
  house.limits.replace({limits, {}});
  const std::string old = R"({"streams":[{"stream":{"app":"x"},"values":[["1000000000","of long ago"]]}]})";
  CHECK(house.push(old).status == 400);
  auto backfill = [&](std::string body, std::string shard) {
    return house.wait(house.begin(std::move(body), "", "fake", "application/json", std::move(shard)));
  };
  CHECK(backfill(old, "2026-06-10").status == 204);
  CHECK(backfill(R"({"streams":[{"stream":{},"values":[["2000000000","without labels"]]}]})", "b").status == 204);
  auto streams = [&] {
    std::set<std::string> found;
    const auto view = house.ingest->view("fake");
    REQUIRE(view);
    for (const HeadPiece& piece : view->head.pieces)
      for (const HeadStream& stream : *piece.streams) found.insert(stream.stream->text());
    return found;
  };
  const std::set<std::string> expected{R"({__backfill__="true", __backfill_shard__="2026-06-10", app="x"})",
                                       R"({__backfill__="true", __backfill_shard__="b"})"};
  CHECK(streams() == expected);
  house.crash();
  CHECK(house.lines() == Lines{{"of long ago", 1}, {"without labels", 1}});
  CHECK(streams() == expected);
  auto refused = backfill(old, std::string(129, 'x'));
  CHECK(refused.status == 400);
  CHECK(refused.body == "invalid X-Loki-Backfill-Shard header: value length 129 exceeds limit of 128\n");
  CHECK(backfill(old, "\xff").status == 400);
  CHECK(backfill(R"({"streams":[{"stream":"{app=","values":[]}]})", "b").status == 400);
}

TEST_CASE("ingest: a blocked tenant is answered with the status that was chosen") {
  IngestHouse house;
  TenantLimits limits;
  limits.block_ingestion_until = house.clock.wall() + 1'000'000'000;
  house.limits.replace({limits, {}});
  auto answer = house.push(body_of("x", {"one"}));
  CHECK(answer.status == 260);
  CHECK(answer.body.starts_with("ingestion blocked for user 'fake' until '"));
  limits.block_ingestion_status_code = 200;
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  CHECK(house.lines().empty());
  limits.block_ingestion_until = house.clock.wall();
  house.limits.replace({limits, {}});
  CHECK(house.push(body_of("x", {"one"})).status == 204);
  CHECK(house.lines().size() == 1);
}

TEST_CASE("ingest: refusals have Loki's status and text, and what is good beside them is stored") {
  IngestHouse house;
  TenantLimits limits;
  limits.discover_service_name.clear();
  house.limits.replace({limits, {}});
  auto answer = house.push(R"({"streams":[]})");
  CHECK(answer.status == 422);
  CHECK(answer.body == "error at least one valid stream is required for ingestion\n");
  CHECK(house.push(R"({"streams":[{}]})").status == 204);
  CHECK(house.push("{garbage").status == 400);
  answer =
      house.push(R"({"streams":[{"stream":{"a":"b"},"values":[["1","kept"]]},{"stream":{},"values":[["1","x"]]}]})");
  CHECK(answer.status == 400);
  CHECK(answer.body == "error at least one label pair is required per stream\n");
  CHECK(answer.headers.get("X-Content-Type-Options") == "nosniff");
  CHECK(house.lines() == Lines{{"kept", 1}});
  CHECK(house.counted("loki_discarded_samples_total", {{"reason", "missing_labels"}, {"tenant", "fake"}}) == 1);
  house.crash();  // what was refused does not come back with the replay
  CHECK(house.lines() == Lines{{"kept", 1}});
  answer = house.wait(house.begin("x", "", "fake", ""));
  CHECK(answer.status == 400);
  CHECK(answer.body == "mime: no media type\n");
  answer = house.push(body_of("x", {"y"}), "nonsense");
  CHECK(answer.status == 400);
  CHECK(answer.body.find("X-Skidway-Batch 'nonsense'") != std::string::npos);
}

TEST_CASE("ingest: a body too large when decompressed is 413") {
  IngestHouse house;
  house.options.push.max_raw_bytes = 1000;
  house.restart();
  auto answer = house.push(body_of("x", {std::string(2000, 'y')}));
  CHECK(answer.status == 413);
  CHECK(answer.body.starts_with("request body too large: "));
}

TEST_SUITE_END();
