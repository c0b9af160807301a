// WorkingMemory: what one step of a metric expression tells of the memory it holds.
//
// Life:    belongs to the step; gives everything back in its destructor.
// Thread:  one at a time.
// Errors:  hold(): kOverLimit, naming the step, its series and the remedy.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/base/result.h"

namespace server {

class WorkingMemory {
 public:
  virtual ~WorkingMemory() = default;
  // From now on, all in all; may be less than before.
  virtual pipeline::Result<void> hold(uint64_t bytes, uint64_t series) = 0;
};

class MemorySource {
 public:
  virtual ~MemorySource() = default;
  // `holder` as the query writes it: "topk".
  virtual std::unique_ptr<WorkingMemory> memory(std::string holder) = 0;
};

}  // namespace server
