// Parameters of the read endpoints: a form (url-encoded) as Loki's clients send it.
#include "server/api/query_parameters.h"
#include "tests/fuzz/demand.h"

using namespace server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr pipeline::UnixNanos kNow = 1'793'527'200'000'000'000;
  auto form = pipeline::HttpForm::parse(fuzz::text_of(data, size));
  if (!form) {
    fuzz::demand(!form.error().message.empty(), "a fault has a text");
    return 0;
  }
  if (auto range = parse_range_parameters(*form, kNow)) {
    fuzz::demand(range->step.count() > 0 && range->interval.count() >= 0 && range->limit > 0, "limits are kept");
    fuzz::demand(range->range.start <= range->range.end, "a range goes forward");
  }
  if (auto instant = parse_instant_parameters(*form, kNow)) fuzz::demand(instant->limit > 0, "a limit is positive");
  if (auto stepped = parse_stepped_range(*form, kNow)) fuzz::demand(stepped->step.count() > 0, "a step is positive");
  if (auto limit = parse_limit(*form, "limit", 7)) fuzz::demand(*limit > 0, "a limit is positive");
  for (const auto& [name, value] : *form) {
    auto time = parse_timestamp(value);
    fuzz::demand(time || !time.error().message.empty(), "a fault has a text");
  }
  return 0;
}
