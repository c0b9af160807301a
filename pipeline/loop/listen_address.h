// HOST:PORT, [V6]:PORT or :PORT (every address), as listeners are told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

struct HostPort {
  std::string host;  // empty: every address; localhost is 127.0.0.1
  uint16_t port = 0;
};

// Errors: kInvalid, "listen x: no port; write HOST:PORT, ...". Whether the host is an address is not looked at.
Result<HostPort> split_listen_address(std::string_view address);

}  // namespace pipeline
