#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "server/limits/limit_keys.h"
#include "server/limits/limit_reloader.h"

using namespace server;

TEST_SUITE_BEGIN("limits");

namespace {

LimitSettings parsed(std::string_view text, std::string* errors = nullptr) {
  auto document = pipeline::ConfigDocument::parse(text, "server.toml");
  REQUIRE(document);
  LimitSettings settings = read_limit_settings(document->root().table("limits"));
  auto finished = document->finish();
  if (errors) *errors = finished ? "" : finished.error().message;
  if (!errors && !finished) FAIL(finished.error().message);
  return settings;
}

bool says(std::string_view text, std::string_view what) {
  std::string errors;
  parsed(text, &errors);
  return errors.find(what) != errors.npos;
}

struct Folder {
  std::string path = "/tmp/skidway-limits-XXXXXX";
  Folder() {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    pipeline::set_log_level(pipeline::LogLevel::kError);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

void write(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("limits: a tenant has the defaults, changed by its own table") {
  LimitTable table(parsed(R"(
[limits]
max_line_size = "1KB"
max_query_series = 7
block_ingestion_until = "2026-11-21T18:00:00Z"
[limits.tenant.team-a]
max_query_series = 9
ingestion_rate_mb = 1.5
discover_service_name = []
)")
                       .set);
  auto other = table.of("other"), own = table.of("team-a");
  CHECK(other->max_line_size == 1024);
  CHECK(other->max_query_series == 7);
  CHECK(other->ingestion_rate_mb == 0);
  CHECK(other->block_ingestion_until == 1'795'284'000'000'000'000);
  CHECK(own->max_line_size == 1024);
  CHECK(own->max_query_series == 9);
  CHECK(own->ingestion_rate_mb == 1.5);
  CHECK(own->discover_service_name.empty());
  CHECK(own->block_ingestion_until == other->block_ingestion_until);
}

TEST_CASE("limits: every key can be set, and no name is there twice") {
  for (const LimitKey& key : limit_keys()) {
    CAPTURE(key.name);
    CHECK(std::count_if(limit_keys().begin(), limit_keys().end(),
                        [&](const LimitKey& k) { return k.name == key.name; }) == 1);
    std::string value = std::visit(
        [](auto member) -> std::string {
          using Member = decltype(member);
          if constexpr (std::is_same_v<Member, bool TenantLimits::*>) return TenantLimits().*member ? "false" : "true";
          if constexpr (std::is_same_v<Member, std::vector<std::string> TenantLimits::*>) return R"(["x"])";
          if constexpr (std::is_same_v<Member, std::string TenantLimits::*>) return R"("x")";
          if constexpr (std::is_same_v<Member, std::chrono::nanoseconds TenantLimits::*>) return R"("17s")";
          if constexpr (std::is_same_v<Member, TimeLimit>) return R"("2001-02-03T04:05:06Z")";
          return "217";
        },
        key.member);
    if (key.name == "deletion_mode") value = R"("disabled")";  // one of three words
    auto settings = parsed("[limits]\n" + std::string(key.name) + " = " + value);
    CHECK_FALSE(settings.set.defaults == TenantLimits());
  }
}

TEST_CASE("limits: rules for attributes of OTLP exports have Loki's form") {
  auto settings = parsed(R"(
[limits.otlp_config]
severity_text_as_label = true
log_attributes = [{ action = "drop", regex = "user_.*" }]
[limits.otlp_config.resource_attributes]
ignore_defaults = true
attributes_config = [{ action = "index_label", attributes = ["service.group"] }]
)");
  const OtlpLimits& otlp = settings.set.defaults.otlp_config;
  CHECK(otlp.severity_text_as_label);
  CHECK(otlp.ignore_defaults);
  REQUIRE(otlp.resource_attributes.size() == 1);
  CHECK(otlp.resource_attributes[0].attributes == std::vector<std::string>{"service.group"});
  REQUIRE(otlp.log_attributes.size() == 1);
  CHECK(otlp.log_attributes[0].action == "drop");

  CHECK(says("[limits.otlp_config]\nlog_attributes = [{ action = \"index_label\", regex = \"a\" }]",
             "index_label action is only supported for resource_attributes"));
  CHECK(says("[limits.otlp_config]\nlog_attributes = [{ action = \"drop\" }]", "either attributes or regex"));
  CHECK(says("[limits.otlp_config]\nlog_attributes = [{ regex = \"(\" }]", "missing closing )"));
}

TEST_CASE("limits: wrong keys and values are named") {
  CHECK(says("[limits]\nmax_line_sise = 5", "did you mean \"max_line_size\"?"));
  CHECK(says("[limits.tenant.a]\nmax_line_sise = 5", "did you mean \"max_line_size\"?"));
  CHECK(says("[limits.tenant.a]\noverrides_file = \"x\"", "unknown key \"overrides_file\""));
  CHECK(says("[limits]\nblock_ingestion_until = \"tomorrow\"", "is not a time"));
  CHECK(says("[limits]\nblock_ingestion_status_code = 99", "99 is no HTTP status"));
  CHECK(says("[limits]\ningestion_rate_mb = -1", "between 0 and"));
  CHECK(says("[limits.shard_streams]\nenabled = true", "a stream is one stream at any rate here"));
  CHECK(says("[limits.tenant.a]\npolicy_enforced_labels = { p = [\"x\"] }", "there are no ingestion policies here"));
  CHECK_FALSE(says("[limits]\nshard_stream = 1", "shard_streams"));  // nobody is led to what is not supported
}

TEST_CASE("limits: overrides are read anew while the server runs; a bad file leaves everything as it was") {
  Folder folder;
  const std::string path = folder.path + "/tenants.toml";
  pipeline::Registry registry;
  LimitTable table;
  LimitSettings settings;
  settings.overrides_file = path;
  CHECK_FALSE(LimitReloader::open(table, registry, settings, nullptr));  // the file is not there

  write(path, "[limits.tenant.a]\nmax_line_size = 100\n");
  auto reloader = LimitReloader::open(table, registry, settings, nullptr);
  REQUIRE(reloader);
  auto first = table.of("a");
  CHECK(first->max_line_size == 100);
  (*reloader)->refresh();
  CHECK(table.of("a") == first);  // the same object: nothing changed

  write(path, "[limits.tenant.a]\nmax_line_sise = 200\n");
  (*reloader)->refresh();
  CHECK(table.of("a") == first);
  std::string page = registry.render();
  CHECK(page.find("skidway_server_limits_last_reload_successful 0") != page.npos);
  CHECK(page.find("skidway_server_limits_reload_failures_total 1") != page.npos);
  CHECK(page.find(R"(loki_overrides{limit_name="max_line_size",user="a"} 100)") != page.npos);

  write(path, "[limits.tenant.a]\nmax_line_size = 200\n");
  (*reloader)->refresh();
  CHECK(table.of("a")->max_line_size == 200);
  CHECK(first->max_line_size == 100);  // whoever holds it keeps it
  CHECK(registry.render().find("loki_runtime_config_last_reload_successful 1") != std::string::npos);

  write(path, "");
  (*reloader)->refresh();
  CHECK(table.of("a")->max_line_size == TenantLimits().max_line_size);
  std::filesystem::remove(path);
  (*reloader)->refresh();
  CHECK(registry.render().find("loki_runtime_config_last_reload_successful 0") != std::string::npos);
}

TEST_CASE("limits: a reload reads the configuration too, and keeps the old one where it has errors") {
  pipeline::Registry registry;
  LimitTable table;
  pipeline::Result<LimitSettings> next = LimitSettings{};
  auto reloader = LimitReloader::open(table, registry, {}, [&] { return next; });
  REQUIRE(reloader);
  next->set.defaults.max_query_series = 3;
  CHECK((*reloader)->reload());
  CHECK(table.of("x")->max_query_series == 3);
  next = pipeline::fail(pipeline::Errc::kInvalid, "server.toml:3:1: wrong");
  CHECK_FALSE((*reloader)->reload());
  CHECK(table.of("x")->max_query_series == 3);
}

TEST_SUITE_END();
