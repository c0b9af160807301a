// The command line `skidway`: query, tail, instant-query, labels, series, stats, volume, volume_range, detected-fields,
// delete and fmt, for people used to logcli.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"

namespace server {

// What a command sees of the world; tests bring their own.
struct CliWorld {
  std::ostream& out;
  std::ostream& err;
  const pipeline::Clock& clock;
  std::function<std::string(const std::string& name)> environment;  // "" when unset
  std::istream* in = nullptr;                                       // null: empty
  bool err_is_terminal = false;
};

// `arguments` without the program's name. Returns the exit code: 0 well, 1 failed while running, 2 wrong usage.
int run_cli(std::vector<std::string> arguments, const CliWorld& world);

}  // namespace server
