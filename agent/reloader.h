// Reloader: reads the configuration file again and has the agent go over to it: SIGHUP and POST /-/reload.
//
// The whole of it is read and checked first; with any error the agent goes on as before, and the error stays to be seen
// until a reload succeeds.
// Thread: loop. The agent outlives it.
#pragma once

#include <functional>
#include <optional>

#include "agent/agent.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"

namespace agent {

class Reloader {
 public:
  using Load = std::function<pipeline::Result<Configuration>()>;

  // `name`: of the file, for messages. The registry gets what the last reload came to.
  Reloader(Agent& agent, std::string name, Load load, const pipeline::Clock& clock, pipeline::Registry& registry);

  // kInvalid: every error, one a line; kNotFound, kIo: the file cannot be read; kUnavailable: not now.
  pipeline::Result<void> reload();

  // Why the last reload did not succeed.
  const std::optional<pipeline::Error>& fault() const { return fault_; }

 private:
  pipeline::Result<void> try_reload();

  Agent& agent_;
  const std::string name_;
  const Load load_;
  const pipeline::Clock& clock_;
  std::optional<pipeline::Error> fault_;
  pipeline::Gauge& successful_;
  pipeline::Gauge& success_time_;
  pipeline::Counter& successes_;
  pipeline::Counter& failures_;
};

}  // namespace agent
