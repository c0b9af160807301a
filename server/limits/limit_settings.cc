#include "server/limits/limit_settings.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/match/regex.h"
#include "server/limits/limit_keys.h"

namespace server {

using pipeline::concat;
using pipeline::ConfigTable;
using pipeline::Result;

namespace {

constexpr std::string_view kActions[] = {"index_label", "structured_metadata", "drop"};

// Loki's sizes have no i: its 256KB are 262144 bytes.
uint64_t loki_size(ConfigTable table, std::string_view key, uint64_t otherwise) {
  auto text = table.kind(key) == pipeline::ConfigKind::kString ? table.string(key) : "";
  uint64_t bytes = table.size(key, otherwise);
  static constexpr std::pair<std::string_view, std::pair<uint64_t, uint64_t>> kUnits[] = {
      {"KB", {1000, 1ULL << 10}}, {"MB", {1'000'000, 1ULL << 20}}, {"GB", {1'000'000'000, 1ULL << 30}}};
  for (const auto& [unit, factors] : kUnits) {
    if (text.ends_with(unit)) return bytes / factors.first * factors.second;
  }
  return bytes;
}

pipeline::UnixNanos time_at(ConfigTable table, std::string_view key, pipeline::UnixNanos otherwise) {
  auto text = table.find_string(key);
  if (!text) return otherwise;
  if (text->empty()) return 0;
  if (auto time = pipeline::parse_rfc3339(*text)) return *time;
  table.error_at(key, concat("\"", *text, "\" is not a time"), "write it as 2026-11-21T18:00:00Z");
  return otherwise;
}

OtlpAttributeRule read_otlp_rule(ConfigTable table) {
  OtlpAttributeRule rule;
  rule.action = table.choice("action", rule.action, {kActions[0], kActions[1], kActions[2]});
  rule.attributes = table.strings("attributes");
  rule.regex = table.string("regex");
  if (rule.attributes.empty() == rule.regex.empty())
    table.error("a rule has either attributes or regex", "write one of them");
  if (auto regex = pipeline::Regex::compile(rule.regex); !regex) table.error_at("regex", regex.error().message);
  return rule;
}

std::vector<OtlpAttributeRule> read_otlp_rules(ConfigTable table, std::string_view key, bool labels_allowed) {
  std::vector<OtlpAttributeRule> rules;
  for (ConfigTable one : table.tables(key)) {
    rules.push_back(read_otlp_rule(one));
    if (!labels_allowed && rules.back().action == "index_label")
      one.error_at("action", "index_label action is only supported for resource_attributes");
  }
  return rules;
}

// Loki's form, with resource_attributes = { ignore_defaults, attributes_config = [...] }.
void read_otlp(ConfigTable table, OtlpLimits& otlp) {
  if (!table.present()) return;
  otlp.severity_text_as_label = table.boolean("severity_text_as_label", otlp.severity_text_as_label);
  if (ConfigTable resource = table.table("resource_attributes"); resource.present()) {
    otlp.ignore_defaults = resource.boolean("ignore_defaults", otlp.ignore_defaults);
    if (resource.has("attributes_config"))
      otlp.resource_attributes = read_otlp_rules(resource, "attributes_config", true);
  }
  if (table.has("scope_attributes")) otlp.scope_attributes = read_otlp_rules(table, "scope_attributes", false);
  if (table.has("log_attributes")) otlp.log_attributes = read_otlp_rules(table, "log_attributes", false);
}

BlockedQuery read_blocked_query(ConfigTable table) {
  BlockedQuery blocked;
  blocked.pattern = table.string("pattern");
  blocked.regex = table.boolean("regex", false);
  blocked.hash = static_cast<uint32_t>(table.integer("hash", 0, 0, UINT32_MAX));
  blocked.types = table.strings("types");
  for (const std::string& type : blocked.types) {
    if (type != "metric" && type != "filter" && type != "limited")
      table.error_at("types", concat("\"", type, "\" is no kind of query"), "write metric, filter or limited");
  }
  if (blocked.pattern.empty() && blocked.hash == 0 && blocked.types.empty())
    table.error("a blocked query has a pattern, a hash or types", "write one of them");
  if (blocked.regex) {
    if (auto regex = pipeline::Regex::compile(blocked.pattern); !regex)
      table.error_at("pattern", regex.error().message);
  }
  return blocked;
}

struct KeyReader {
  ConfigTable table;
  std::string_view key;
  TenantLimits& limits;

  void operator()(CountLimit count) const {
    auto& value = limits.*count.member;
    value = static_cast<uint64_t>(table.integer(key, static_cast<int64_t>(value), 0));
  }
  void operator()(SizeLimit size) const { limits.*size.member = loki_size(table, key, limits.*size.member); }
  void operator()(TimeLimit time) const { limits.*time.member = time_at(table, key, limits.*time.member); }
  void operator()(bool TenantLimits::*member) const { limits.*member = table.boolean(key, limits.*member); }
  void operator()(double TenantLimits::*member) const {
    limits.*member = table.number(key, limits.*member);
    if (!(limits.*member >= 0 && limits.*member < 1e9)) table.error_at(key, concat(key, " must be between 0 and 1e9"));
  }
  void operator()(std::string TenantLimits::*member) const { limits.*member = table.string(key, limits.*member); }
  void operator()(std::chrono::nanoseconds TenantLimits::*member) const {
    limits.*member = table.duration(key, limits.*member);
  }
  void operator()(std::vector<std::string> TenantLimits::*member) const {
    if (table.has(key)) limits.*member = table.strings(key);
  }
};

void read_retention_stream(ConfigTable table, TenantLimits& limits) {
  if (!table.has("retention_stream")) return;
  limits.retention_stream.clear();
  for (ConfigTable rule : table.tables("retention_stream")) {
    StreamRetention stream;
    stream.selector = rule.required_string("selector");
    stream.priority = rule.integer("priority", 0);
    stream.period = rule.duration("period", stream.period);
    if (stream.period.count() != 0 && stream.period < std::chrono::hours(24))
      rule.error_at("period", "retention period must be >= 24h", "write 24h or more, or 0: for ever");
    limits.retention_stream.push_back(std::move(stream));
  }
}

// Limits of Loki's that would change what is stored or refused, and that nothing here follows: said, not ignored.
void refuse_foreign_limits(ConfigTable table) {
  constexpr std::string_view kNoPolicies =
      "there are no ingestion policies here; limits are per tenant ([limits.tenant.NAME]), and retention_stream is per "
      "stream";
  constexpr std::string_view kNoShards =
      "leave it away: a stream is one stream at any rate here, and is spread over objects and threads without labels";
  static constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
      {"shard_streams", kNoShards},
      {"policy_stream_mapping", kNoPolicies},
      {"policy_enforced_labels", kNoPolicies},
      {"policy_override_limits", kNoPolicies},
      {"block_ingestion_policy_until", kNoPolicies},
      {"discover_generic_fields", "leave it away: fields are found when they are asked for, by parsers in the query"},
      {"ingestion_partitions_tenant_shard_size", "leave it away: there are no partitions here"},
  };
  const auto given = table.keys();  // has() alone would offer it to who mistypes another
  for (const auto& [key, instead] : kForeign)
    if (std::find(given.begin(), given.end(), key) != given.end() && table.has(key))
      table.error_at(key, concat(key, " is a limit of Loki's that is not supported"), std::string(instead));
}

TenantLimits read_limits(ConfigTable table, TenantLimits limits) {
  refuse_foreign_limits(table);
  for (const LimitKey& key : limit_keys()) std::visit(KeyReader{table, key.name, limits}, key.member);
  read_otlp(table.table("otlp_config"), limits.otlp_config);
  if (table.has("blocked_queries")) {
    limits.blocked_queries.clear();
    for (ConfigTable one : table.tables("blocked_queries")) limits.blocked_queries.push_back(read_blocked_query(one));
  }
  read_retention_stream(table, limits);
  if (limits.deletion_mode != "filter-and-delete" && limits.deletion_mode != "disabled")
    table.error_at("deletion_mode", concat("\"", limits.deletion_mode, "\" is not supported"),
                   "write filter-and-delete or disabled");
  if (uint64_t code = limits.block_ingestion_status_code; code < 200 || code > 599)
    table.error_at("block_ingestion_status_code", concat(code, " is no HTTP status"), "write 200 to 599");
  return limits;
}

// What [limits.tenant.NAME] says, over what the set has of that tenant.
void read_tenants(ConfigTable limits, LimitSet& set) {
  ConfigTable tenants = limits.table("tenant");
  for (const std::string& name : tenants.keys()) {
    auto known = set.tenants.find(name);
    set.tenants[name] = read_limits(tenants.table(name), known == set.tenants.end() ? set.defaults : known->second);
  }
}

}  // namespace

LimitSettings read_limit_settings(ConfigTable table, TenantLimits defaults) {
  LimitSettings settings;
  settings.set.defaults = read_limits(table, std::move(defaults));
  read_tenants(table, settings.set);
  settings.overrides_file = table.string("overrides_file");
  settings.overrides_period = table.duration("overrides_period", settings.overrides_period);
  if (settings.overrides_period < std::chrono::milliseconds(10))
    table.error_at("overrides_period", "overrides_period must be at least 10ms");
  return settings;
}

Result<LimitSet> with_overrides(const LimitSettings& settings) {
  LimitSet set = settings.set;
  if (settings.overrides_file.empty()) return set;
  TRY_LET(auto document, pipeline::ConfigDocument::load(settings.overrides_file));
  read_tenants(document.root().table("limits"), set);
  TRY(document.finish());
  return set;
}

}  // namespace server
