#include "server/settings.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE_BEGIN("server");

namespace {

std::string errors_of(std::string_view text) {
  auto settings = parse_settings(text, "server.toml");
  return settings ? "" : settings.error().message;
}

bool says(std::string_view text, std::string_view what) { return errors_of(text).find(what) != std::string::npos; }

}  // namespace

TEST_CASE("settings: without a file everything lies below ./skidway-data") {
  Settings settings = default_settings();
  CHECK(settings.data_dir == "skidway-data");
  CHECK(settings.listen == "127.0.0.1:3100");
  CHECK(settings.store.folder == "skidway-data/store");
  CHECK(settings.catalog_file == "skidway-data/catalog.db");
  CHECK(settings.ingest.wal_folder == "skidway-data/wal");
  CHECK_FALSE(settings.limits.set.defaults.reject_old_samples);
}

TEST_CASE("settings: every key is read") {
  auto settings = parse_settings(R"(
data_dir = "/var/lib/skidway/"
[http]
listen = ":3101"
tls = { cert_file = "c", key_file = "k", client_ca_file = "a" }
[tenancy]
mode = "header"
[store]
url = "file:///srv/objects"
[catalog]
url = "sqlite:///srv/catalog.db"
[ingest]
ack = "s3"
linger = "100ms"
linger_bytes = "4MiB"
flush_interval = "1s"
flush_bytes = "1MiB"
memory_limit = "8MiB"
wal_segment_bytes = "2MiB"
max_hold = "2s"
workers = 3
[limits]
max_line_size = "256KB"
max_label_names_per_series = 30
max_label_name_length = 10
max_label_value_length = 20
reject_old_samples = true
reject_old_samples_max_age = "1w"
creation_grace_period = "5m"
allow_structured_metadata = false
max_structured_metadata_size = "64KiB"
max_structured_metadata_entries_count = 7
discover_service_name = []
discover_log_levels = false
log_level_fields = ["lvl", "prio"]
log_level_from_json_max_depth = 0
max_entries_limit_per_query = 10
max_query_series = 11
max_query_length = "30d"
max_streams_matchers_per_query = 12
[retention]
period = "0"
max_bytes = "0"
min_age = "1h"
)",
                                 "server.toml");
  REQUIRE(settings);
  CHECK(settings->data_dir == "/var/lib/skidway");
  CHECK(settings->listen == ":3101");
  CHECK(settings->tls.client_ca_file == "a");
  CHECK(settings->tenancy == TenancyMode::kHeader);
  CHECK(settings->store.folder == "/srv/objects");
  CHECK(settings->catalog_file == "/srv/catalog.db");
  CHECK(settings->ingest.flush.interval == std::chrono::seconds(1));
  CHECK(settings->ingest.flush.bytes == 1 << 20);
  CHECK(settings->ingest.push.budget_bytes == 8 << 20);
  CHECK(settings->ingest.segment_bytes == 2 << 20);
  CHECK(settings->ingest.push.hold == std::chrono::seconds(2));
  CHECK(settings->ingest.workers == 3);
  CHECK(settings->ingest.ack == AckMode::kStore);
  CHECK(settings->ingest.objects.patience == std::chrono::seconds(2));
  CHECK(settings->ingest.objects.linger == std::chrono::milliseconds(100));
  CHECK(settings->ingest.objects.bytes == 4 << 20);
  const TenantLimits& limits = settings->limits.set.defaults;
  CHECK(limits.max_line_size == 262'144);  // as Loki reads it
  CHECK(limits.max_label_names_per_series == 30);
  CHECK(limits.max_label_name_length == 10);
  CHECK(limits.max_label_value_length == 20);
  CHECK(limits.reject_old_samples);
  CHECK(limits.discover_service_name.empty());
  CHECK_FALSE(limits.discover_log_levels);
  CHECK(limits.log_level_fields == std::vector<std::string>{"lvl", "prio"});
  CHECK(limits.log_level_from_json_max_depth == 0);
  CHECK(limits.reject_old_samples_max_age == std::chrono::hours(168));
  CHECK(limits.creation_grace_period == std::chrono::minutes(5));
  CHECK_FALSE(limits.allow_structured_metadata);
  CHECK(limits.max_structured_metadata_size == 65'536);
  CHECK(limits.max_structured_metadata_entries_count == 7);
  CHECK(limits.max_entries_limit_per_query == 10);
  CHECK(limits.max_query_series == 11);
  CHECK(limits.max_query_length == std::chrono::hours(720));
  CHECK(limits.max_streams_matchers_per_query == 12);
}

TEST_CASE("settings: what is not built yet says so") {
  CHECK(says("[catalog]\nurl = \"postgres://db\"", "postgres://... is not supported yet"));
}

TEST_CASE("settings: wrong values are named with place and remedy") {
  CHECK(says("[ingest]\nack = \"s4\"", "s4"));
  CHECK(says("[ingest]\nlinger = \"9s\"", "linger is above max_hold"));
  CHECK(says("[limits]\nmax_line_sise = 5", "did you mean \"max_line_size\"?"));
  CHECK(says("[http]\nlisten = \"localhost\"", "has no port"));
  CHECK(says("[store]\nurl = \"/srv\"", "is neither a file:// nor an s3:// URL"));
  CHECK(says("[ingest]\nflush_bytes = \"64MiB\"", "memory_limit"));
  CHECK(says("[tenancy]\nmode = \"many\"", "header"));
  CHECK(says("[compaction]\ncpu_share = 2.0", "cpu_share must be above 0 and at most 1"));
  CHECK(says("[compaction]\norphan_age = \"1s\"", "orphan_age must be at least 1m"));
  CHECK(says("[limits]\ndeletion_mode = \"whole\"", "is not supported"));
  CHECK(
      says("[[limits.retention_stream]]\nselector = '{a=\"b\"}'\nperiod = \"1h\"", "retention period must be >= 24h"));
  CHECK(says("[[limits.retention_stream]]\nselector = 'app'\nperiod = \"24h\"", "invalid labels matchers: "));
}

TEST_CASE("settings: what is kept is 30 days without a word, and what [retention], limits and tenants say otherwise") {
  CHECK(default_settings().limits.set.defaults.retention_period == std::chrono::hours(720));
  auto settings = parse_settings(R"(
[limits.tenant.short]
retention_period = "48h"
[[limits.retention_stream]]
selector = '{app="x"}'
priority = 3
period = "24h"
[retention]
period = "10d"
max_bytes = "1GB"
min_age = "2h"
delete_cancel_period = "5m"
)",
                                 "server.toml");
  REQUIRE(settings);
  const LimitSet& limits = settings->limits.set;
  CHECK(limits.defaults.retention_period == std::chrono::hours(240));
  CHECK(limits.defaults.retention_stream == std::vector<StreamRetention>{{R"({app="x"})", 3, std::chrono::hours(24)}});
  CHECK(limits.tenants.at("short").retention_period == std::chrono::hours(48));
  CHECK(limits.tenants.at("short").retention_stream.size() == 1);
  CHECK(settings->compaction.expiry.max_bytes == 1'000'000'000);
  CHECK(settings->compaction.expiry.min_age == std::chrono::hours(2));
  CHECK(settings->compaction.deletes.cancel_period == std::chrono::minutes(5));
}

TEST_SUITE_END();
