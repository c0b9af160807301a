// The path of a unix socket: taken when a listener binds, given back when it closes.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/result.h"

namespace pipeline {

struct LocalAddress {
  std::string path;      // at most 107 bytes
  uint32_t mode = 0660;  // of the socket's file: who may send
};

// Removes a socket that nobody listens to any more. Errors: kInvalid (too long; a file that is no socket stands
// there), kUnavailable (somebody listens there).
Result<void> clear_local_path(const std::string& path, int socket_type);

}  // namespace pipeline
