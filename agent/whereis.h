// Whereis: how far a log is, asked of a running agent over HTTP or, where none runs, of the checkpoints it left.
#pragma once

#include <string>

#include "agent/commands.h"

namespace agent {

// `skidway-agent whereis`. Exit code 1: nothing is known of it.
int print_whereis(const CommonFlags& flags, const std::string& what, bool json);

}  // namespace agent
