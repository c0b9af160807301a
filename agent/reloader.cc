#include "agent/reloader.h"

#include "pipeline/base/log.h"

namespace agent {

using pipeline::Registry;
using pipeline::Result;

namespace {
constexpr int64_t kNanosPerSecond = 1'000'000'000;
}

Reloader::Reloader(Agent& agent, std::string name, Load load, const pipeline::Clock& clock, Registry& r)
    : agent_(agent),
      name_(std::move(name)),
      load_(std::move(load)),
      clock_(clock),
      successful_(r.gauge("skidway_agent_config_last_reload_successful",
                          "1: the configuration that runs is the one that was read last; 0: that one has errors.")),
      success_time_(r.gauge("skidway_agent_config_last_reload_success_timestamp_seconds",
                            "When the configuration that runs was read, Unix time.")),
      successes_(r.counter("promtail_config_reload_success_total", "Reloads that succeeded, under Promtail's name.")),
      failures_(r.counter("promtail_config_reload_fail_total", "Reloads that failed, under Promtail's name.")) {
  successful_.set(1);
  success_time_.set(clock_.wall() / kNanosPerSecond);
}

Result<void> Reloader::reload() {
  Result<void> outcome = try_reload();
  fault_.reset();
  successful_.set(outcome ? 1 : 0);
  if (outcome) {
    successes_.add();
    success_time_.set(clock_.wall() / kNanosPerSecond);
    pipeline::log_info("configuration reloaded", {{"config", name_}});
  } else {
    failures_.add();
    fault_ = outcome.error();
    pipeline::log_error("reload failed, the configuration of before goes on",
                        {{"config", name_}, {"error", outcome.error()}});
  }
  return outcome;
}

Result<void> Reloader::try_reload() {
  TRY_LET(Configuration next, load_());
  return agent_.change(std::move(next), name_);
}

}  // namespace agent
