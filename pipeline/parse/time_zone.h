// TimeZone: the zones of the system's time zone database (/usr/share/zoneinfo, TZif version 2, RFC 8536).
//
// Life:    loaded once; a copy shares the tables. Thread: any (immutable).
// Errors:  kInvalid: `unknown time zone Mars/Base`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "pipeline/base/result.h"

namespace pipeline {

class TimeZone {
 public:
  static TimeZone utc() { return TimeZone(nullptr); }
  // "" and "UTC" are UTC, "Local" is /etc/localtime, others are names such as Europe/Berlin.
  static Result<TimeZone> load(std::string_view name);

  // Seconds east of UTC at that instant (seconds since 1970).
  int32_t offset_at(int64_t unix_seconds) const;
  // The abbreviation in use at that instant, such as CEST. Valid as long as a copy of this zone is.
  std::string_view name_at(int64_t unix_seconds) const;
  // The instant at which clocks here show `local` (seconds since 1970 as if it were UTC). Where clocks skip or repeat
  // an hour, as Go's time.Date chooses.
  int64_t instant_of(int64_t local) const;
  // The offset of an abbreviation such as CEST when clocks show `local`: first of what is in use then, then of all that
  // the zone has had.
  std::optional<int32_t> abbreviation(std::string_view name, int64_t local) const;

 private:
  struct Tables;  // time_zone.cc
  explicit TimeZone(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}
  std::shared_ptr<const Tables> tables_;  // null: UTC
};

}  // namespace pipeline
