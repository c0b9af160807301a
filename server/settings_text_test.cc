#include "server/settings_text.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE_BEGIN("server");

TEST_CASE("settings: what /config shows is a configuration file that means the same") {
  auto settings = parse_settings(R"(
data_dir = "/var/lib/sk\"idway"
[http]
listen = ":3101"
tls = { cert_file = "c", key_file = "k" }
[tenancy]
mode = "header"
[ingest]
workers = 3
max_hold = "2500ms"
[syslog]
listen = ":1514"
[limits]
max_line_size = "1MB"
reject_old_samples = true
max_query_length = "30d"
max_concurrent_tail_requests = 3
tail_max_duration = "90m"
overrides_file = "tenants.toml"
[limits.otlp_config]
severity_text_as_label = true
scope_attributes = [{ action = "drop", regex = "a.*" }]
[limits.tenant."team-a"]
max_line_size = 5
enforced_labels = ["app"]
block_ingestion_until = "2026-11-21T18:00:00Z"
)",
                                 "server.toml");
  REQUIRE(settings.has_value());
  std::string shown = settings_toml(*settings);
  auto again = parse_settings(shown, "shown.toml");
  if (!again) FAIL(again.error().message);
  CHECK(settings_toml(*again) == shown);
  CHECK(again->data_dir == settings->data_dir);
  CHECK(again->limits.set.defaults.max_line_size == 1 << 20);
  CHECK(again->limits.set.defaults.max_query_length == std::chrono::hours(720));
  CHECK(again->limits.set.defaults.max_concurrent_tail_requests == 3);
  CHECK(again->limits.set.defaults.tail_max_duration == std::chrono::minutes(90));
  CHECK(again->limits.overrides_file == "tenants.toml");
  CHECK(again->limits.set.defaults == settings->limits.set.defaults);
  CHECK(again->limits.set.tenants == settings->limits.set.tenants);
  CHECK(again->tenancy == TenancyMode::kHeader);
}

TEST_CASE("settings: /config shows how the bucket is spoken to, and no secret") {
  auto settings = parse_settings(R"(
[store]
url = "s3://logs/a/b"
endpoint = "http://minio:9000"
access_key_id = "AKIA"
secret_access_key = "very secret"
session_token = "token too"
sse = "AES256"
patience = "5s"
prices = { put_per_1000 = 0.25 }
)",
                                 "server.toml");
  REQUIRE(settings.has_value());
  std::string shown = settings_toml(*settings);
  CHECK(shown.find("very secret") == shown.npos);
  CHECK(shown.find("token too") == shown.npos);
  auto again = parse_settings(shown, "shown.toml");
  if (!again) FAIL(again.error().message);
  CHECK(settings_toml(*again) == shown);
  REQUIRE(again->store.s3);
  CHECK(again->store.place() == "s3://logs/a/b");
  CHECK(again->store.s3->path_style);
  CHECK(again->store.s3->patience == std::chrono::seconds(5));
  CHECK(again->store.s3->prices.put_per_1000 == 0.25);
  CHECK(again->store.s3->prices.get_per_1000 == 0.0004);
}

TEST_CASE("settings: limits are shown in Loki's units") {
  std::string json = drilldown_limits_answer(drilldown_limits(TenantLimits()));
  CHECK(json.starts_with(R"({"limits":{"discover_log_levels":true,)"));
  CHECK(json.find(R"("max_query_length":"30d1h")") != json.npos);
  CHECK(json.find(R"("log_level_fields":["level","LEVEL",)") != json.npos);
  CHECK(json.find(R"("retention_stream":null)") != json.npos);
  TenantLimits with_streams;
  with_streams.retention_stream = {{R"({a="b"})", 2, std::chrono::hours(24)}, {R"({c="d"})", 1, {}}};
  CHECK(drilldown_limits_answer(drilldown_limits(with_streams))
            .find(R"("retention_stream":[{"period":"1d","priority":2,"selector":"{a=\"b\"}"},)"
                  R"({"period":"0s","priority":1,"selector":"{c=\"d\"}"}],)") != json.npos);
  CHECK(json.ends_with("\"pattern_ingester_enabled\":true,\"version\":\"3.7.0\"}\n"));
  std::string yaml = limits_yaml(all_limits(TenantLimits()));
  CHECK(yaml.find("max_query_series: 500\n") != yaml.npos);
  CHECK(yaml.find("max_line_size: \"256KB\"\n") != yaml.npos);
  CHECK(yaml.find("creation_grace_period: \"10m\"\n") != yaml.npos);
}

TEST_SUITE_END();
