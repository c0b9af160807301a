// BusGuard: a thread that reads mapped files survives when one of them becomes shorter.
//
// libsystemd maps journal files. Where such a file is truncated under it, the next look at the lost pages raises
// SIGBUS, which would end the agent. While a guard lives, pages of its thread that raise SIGBUS become pages of zeros,
// which libsystemd takes for a damaged file, and faults() grows: what was read meanwhile cannot be trusted, and the
// files must be opened anew.
//
// Life:    on the stack of the thread's function; one per thread. The handler stays with the process; what other
//          threads raise goes to the handler that was there before.
// Thread:  the one it was made on.
#pragma once

#include <cstdint>

namespace agent {

class BusGuard {
 public:
  BusGuard();
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  uint64_t faults() const;  // pages lost since the guard was made
};

}  // namespace agent
