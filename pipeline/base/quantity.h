// Durations and byte sizes as people write them, in configuration files and on command lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

// Go durations (one or more decimal numbers with a unit: ns us µs ms s m h) plus d (24 h), w (7 d), y (365 d); "0"
// needs no unit. A leading sign is accepted. kInvalid: `invalid duration "5": missing unit`.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

// The Go form: "1h30m0s", "1.5s", "300ms", "0s".
std::string format_duration(std::chrono::nanoseconds duration);

// A decimal number with an optional unit: B, kB KB MB GB TB PB (powers of 1000), KiB MiB GiB TiB PiB and Ki Mi Gi Ti Pi
// (powers of 1024). Bare: bytes. Case of the first letter of the unit does not matter. kInvalid names the text.
Result<uint64_t> parse_size(std::string_view text);

}  // namespace pipeline
