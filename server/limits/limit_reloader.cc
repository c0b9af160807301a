#include "server/limits/limit_reloader.h"

#include "pipeline/base/log.h"
#include "server/limits/limit_keys.h"

namespace server {

using pipeline::MetricPage;
using pipeline::Result;

namespace {

// The numbers among the limits; others have no place in a metric.
struct NumberOf {
  const TenantLimits& limits;
  using Number = std::optional<double>;
  Number operator()(CountLimit count) const { return static_cast<double>(limits.*count.member); }
  Number operator()(SizeLimit size) const { return static_cast<double>(limits.*size.member); }
  Number operator()(TimeLimit time) const { return static_cast<double>(limits.*time.member) / 1e9; }
  Number operator()(bool TenantLimits::*member) const { return limits.*member ? 1 : 0; }
  Number operator()(double TenantLimits::*member) const { return limits.*member; }
  Number operator()(std::chrono::nanoseconds TenantLimits::*member) const {
    return std::chrono::duration<double>(limits.*member).count();
  }
  Number operator()(std::string TenantLimits::*) const { return std::nullopt; }
  Number operator()(std::vector<std::string> TenantLimits::*) const { return std::nullopt; }
};

// As Loki's overrides-exporter names them.
void add_limits(MetricPage& page, const LimitTable& table) {
  auto add = [&](std::string_view name, std::string_view help, const TenantLimits& limits,
                 pipeline::MetricLabels labels) {
    for (const LimitKey& key : limit_keys()) {
      auto number = std::visit(NumberOf{limits}, key.member);
      if (!number) continue;
      labels[0].second = key.name;
      page.add(name, help, pipeline::MetricType::kGauge, labels, *number);
    }
  };
  add("loki_overrides_defaults", "Limits of tenants without limits of their own", *table.of(""), {{"limit_name", ""}});
  for (const auto& [tenant, limits] : table.overrides())
    add("loki_overrides", "Limits of tenants that have limits of their own", *limits,
        {{"limit_name", ""}, {"user", tenant}});
}

}  // namespace

Result<std::unique_ptr<LimitReloader>> LimitReloader::open(LimitTable& table, pipeline::Registry& registry,
                                                           LimitSettings settings, ReadSettings read) {
  TRY_LET(LimitSet set, with_overrides(settings));
  table.replace(std::move(set));
  return std::unique_ptr<LimitReloader>(new LimitReloader(table, registry, std::move(settings), std::move(read)));
}

LimitReloader::LimitReloader(LimitTable& table, pipeline::Registry& registry, LimitSettings settings, ReadSettings read)
    : table_(table),
      read_(std::move(read)),
      last_successful_(registry.gauge("skidway_server_limits_last_reload_successful",
                                      "1 while the limits are what the files say, 0 after a file with errors")),
      loki_last_successful_(registry.gauge("loki_runtime_config_last_reload_successful",
                                           "Whether the last runtime-config reload attempt was successful.")),
      failures_(registry.counter("skidway_server_limits_reload_failures_total",
                                 "Reloads of limits that failed and left them as they were")),
      shown_(registry.collect([this](MetricPage& page) { add_limits(page, table_); })),
      settings_(std::move(settings)) {
  last_successful_.set(1);
  loki_last_successful_.set(1);
}

void LimitReloader::refresh() {
  std::lock_guard lock(mutex_);
  if (!settings_.overrides_file.empty()) note(apply(settings_));
}

Result<void> LimitReloader::reload() {
  std::lock_guard lock(mutex_);
  auto settings = read_ ? read_() : Result<LimitSettings>(settings_);
  Result<void> applied = settings ? apply(*std::move(settings)) : Result<void>(pipeline::fail(settings.error()));
  note(applied);
  return applied;
}

Result<void> LimitReloader::apply(LimitSettings settings) {
  TRY_LET(LimitSet set, with_overrides(settings));
  table_.replace(std::move(set));
  settings_ = std::move(settings);
  return {};
}

void LimitReloader::note(const Result<void>& applied) {
  last_successful_.set(applied ? 1 : 0);
  loki_last_successful_.set(applied ? 1 : 0);
  if (!applied) failures_.add();
  std::string error = applied ? "" : applied.error().message;
  if (error == told_) return;
  if (error.empty()) {
    pipeline::log_info("limits: the files are right again, limits reloaded");
  } else {
    pipeline::log_error("limits: reload failed, the limits stay as they are", {{"error", error}});
  }
  told_ = std::move(error);
}

}  // namespace server
