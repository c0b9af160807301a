// Numbers, durations and sizes as LogQL reads them, in queries, templates and label values: the grammars of Go's
// strconv and time, of Prometheus' model.Duration and of dustin/go-humanize, with their error texts, because these are
// shown in
// __error_details__.
//
// Thread: any. Errors: kInvalid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

// `[sign] digits [. digits] [e exponent]`, 0x with a p exponent, inf, infinity, nan in any case, _ between digits.
// `strconv.ParseFloat: parsing "x": invalid syntax`, or `... value out of range`.
Result<double> parse_go_float(std::string_view text);

// "1h30m", "-1.5s", "0"; units ns us µs ms s m h. Nanoseconds. `time: unknown unit "d" in duration "1d"`.
Result<int64_t> parse_go_duration(std::string_view text);

// "1d12h": whole numbers, units y w d h m s ms in falling order; "0". Nanoseconds. `unknown unit "us" in duration
// "1us"`.
Result<int64_t> parse_prometheus_duration(std::string_view text);

// "1h30m", "0s": years and weeks only where nothing is left over; not below a millisecond.
std::string prometheus_duration_text(int64_t nanos);

// "1.5 MiB", "10kb", "1,024": B, powers of 1000 (k m g t p e) and of 1024 (ki mi ...), any case. `unhandled size name:
// xx`.
Result<uint64_t> parse_human_bytes(std::string_view text);

}  // namespace pipeline
