// Durations and sizes in the arguments of stages, as Alloy reads them. Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

// Nanoseconds of a Go duration (no days, unlike in the rest of a configuration file); may be negative.
// kInvalid: `time: invalid duration "soon"`, `time: missing unit in duration "3"`, `time: unknown unit "x" in duration
// "3x"`.
Result<int64_t> parse_argument_duration(std::string_view text);

// Bytes, as one or more numbers with a unit: B, KiB or KB ... EiB or EB, all powers of 1024; may be negative.
// kInvalid: `units: invalid big`, `units: unknown unit XB in 5XB`.
Result<int64_t> parse_argument_size(std::string_view text);

}  // namespace pipeline
