// Time layouts: the first line is the layout or the name of a format, the second the zone, the rest the value. A time
// found with RFC3339Nano is the one that our own text of it gives.
#include "pipeline/base/time_format.h"
#include "pipeline/parse/go_time.h"
#include "tests/fuzz/demand.h"

using namespace pipeline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr UnixNanos kNow = 1'795'219'200'000'000'000;
  std::string_view rest = fuzz::text_of(data, size);
  std::string_view layout = fuzz::first_line(rest), name = fuzz::first_line(rest);
  constexpr std::string_view kZones[] = {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
                                         "Australia/Lord_Howe"};
  auto zone = TimeZone::load(kZones[name.size() % std::size(kZones)]);  // a zone's file is not what is tried here
  fuzz::demand(zone.has_value(), "the zones are installed");
  auto time = TimeFormat::create(layout, *zone).parse(rest, kNow);
  if (!time) {
    fuzz::demand(!time.error().message.empty(), "a fault has a text");
    return 0;
  }
  auto same = TimeFormat::create("RFC3339Nano", *zone).parse(format_rfc3339(*time), kNow);
  fuzz::demand(same && *same == *time, "a time reads back as it was written");
  return 0;
}
