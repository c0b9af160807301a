#include "server/api/query_parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "pipeline/base/time_format.h"
#include "pipeline/model/label_set.h"
#include "pipeline/parse/value_text.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpForm;
using pipeline::parse_prometheus_duration;
using pipeline::Result;
using pipeline::UnixNanos;
using std::chrono::nanoseconds;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr uint32_t kDefaultLimit = 100;
constexpr int64_t kMaxPoints = 11'000;  // per series; Loki's, fixed

std::string quoted(std::string_view text) {
  std::string out;
  pipeline::append_quoted(out, text);
  return out;
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Result<UnixNanos> parse_named_timestamp(const HttpForm& form, std::string_view name, UnixNanos otherwise) {
  std::string_view text = form.get(name);
  if (text.empty()) return otherwise;
  auto time = parse_timestamp(text);
  if (!time) return fail(Errc::kInvalid, concat("could not parse '", name, "' parameter: ", time.error().message));
  return time;
}

Result<nanoseconds> parse_step(std::string_view text) {
  if (auto seconds = whole_number<double>(text)) {
    double nanos = *seconds * 1e9;
    if (std::isnan(nanos) || std::fabs(nanos) > 9.2e18) {
      return fail(Errc::kInvalid, concat("cannot parse ", quoted(text), " to a valid duration. It overflows int64"));
    }
    return nanoseconds(static_cast<int64_t>(nanos));
  }
  auto duration = parse_prometheus_duration(text);
  if (!duration) return fail(Errc::kInvalid, concat("cannot parse ", quoted(text), " to a valid duration"));
  return nanoseconds(*duration);
}

// `step`, or so many seconds that there are 250 of them.
Result<nanoseconds> parse_step_of(const HttpForm& form, const TimeRange& range) {
  // As a double: a range from year 1678 to 2262 does not fit the difference of two int64.
  double seconds = (static_cast<double>(range.end) - static_cast<double>(range.start)) / 1e9;
  nanoseconds step = nanoseconds(std::max<int64_t>(static_cast<int64_t>(seconds / 250), 1) * kSecond);
  if (std::string_view text = form.get("step"); !text.empty()) { TRY_LET(step, parse_step(text)); }
  if (step.count() <= 0) {
    return fail(Errc::kInvalid,
                "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  if (seconds * 1e9 / static_cast<double>(step.count()) >= static_cast<double>(kMaxPoints + 1)) {
    return fail(
        Errc::kInvalid,
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter");
  }
  return step;
}

Result<Direction> parse_direction(const HttpForm& form) {
  std::string text(form.get("direction"));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.empty() || text == "backward") return Direction::kBackward;
  if (text == "forward") return Direction::kForward;
  return fail(Errc::kInvalid, concat("invalid direction '", form.get("direction"), "'"));
}

constexpr int64_t kMostSeconds = 9'200'000'000;  // as nanoseconds they fit, with the second's parts

pipeline::Error out_of_range(std::string_view text) {
  return {Errc::kInvalid, concat("strconv.ParseInt: parsing ", quoted(text), ": value out of range")};
}

}  // namespace

Result<UnixNanos> parse_timestamp(std::string_view text) {
  if (text.find('.') != std::string_view::npos) {
    if (auto seconds = whole_number<double>(text)) {
      double whole = 0;
      double millis = std::round(std::modf(*seconds, &whole) * 1000);
      if (std::fabs(whole) > static_cast<double>(kMostSeconds)) return fail(out_of_range(text));
      return static_cast<int64_t>(whole) * kSecond + static_cast<int64_t>(millis) * 1'000'000;
    }
  }
  if (auto number = whole_number<int64_t>(text)) {
    if (text.size() > 10) return *number;
    if (*number > kMostSeconds) return fail(out_of_range(text));
    return *number * kSecond;
  }
  if (auto time = pipeline::parse_rfc3339(text)) return *time;
  return fail(Errc::kInvalid, concat("strconv.ParseInt: parsing ", quoted(text), ": invalid syntax"));
}

Result<TimeRange> parse_time_range(const HttpForm& form, UnixNanos now) {
  TRY_LET(UnixNanos end, parse_named_timestamp(form, "end", now));
  nanoseconds since = std::chrono::hours(1);
  if (std::string_view text = form.get("since"); !text.empty()) {
    auto parsed = parse_prometheus_duration(text);
    if (!parsed) return fail(Errc::kInvalid, concat("could not parse 'since' parameter: ", parsed.error().message));
    since = nanoseconds(*parsed);
  }
  TRY_LET(UnixNanos start, parse_named_timestamp(form, "start", std::min(end, now) - since.count()));
  return TimeRange{start, end};
}

namespace {
UnixNanos earliest(const TenantLimits& limits, UnixNanos now) {
  UnixNanos out = 0;
  const bool off = limits.max_query_lookback.count() == 0;
  return off || __builtin_sub_overflow(now, limits.max_query_lookback.count(), &out) ? INT64_MIN : out;
}
}  // namespace

bool is_beyond_lookback(const TimeRange& range, const TenantLimits& limits, UnixNanos now) {
  return range.end < earliest(limits, now);
}

TimeRange within_lookback(TimeRange range, const TenantLimits& limits, UnixNanos now) {
  range.start = std::min(std::max(range.start, earliest(limits, now)), range.end);
  return range;
}

Result<void> check_order(const TimeRange& range) {
  if (range.end < range.start) return fail(Errc::kInvalid, "end timestamp must not be before or equal to start time");
  return {};
}

Result<uint32_t> parse_limit(const HttpForm& form, std::string_view name, uint32_t otherwise, ZeroLimit zero) {
  std::string_view text = form.get(name);
  if (text.empty()) return otherwise;
  auto limit = whole_number<int64_t>(text);
  if (!limit) return fail(Errc::kInvalid, concat("strconv.Atoi: parsing ", quoted(text), ": invalid syntax"));
  if (*limit == 0 && zero == ZeroLimit::kIsDefault) return otherwise;
  if (*limit <= 0) return fail(Errc::kInvalid, "limit must be a positive value");
  return static_cast<uint32_t>(std::min<int64_t>(*limit, UINT32_MAX));
}

Result<SteppedRange> parse_stepped_range(const HttpForm& form, UnixNanos now) {
  TRY_LET(TimeRange range, parse_time_range(form, now));
  TRY(check_order(range));
  TRY_LET(nanoseconds step, parse_step_of(form, range));
  return SteppedRange{range, step};
}

Result<RangeParameters> parse_range_parameters(const HttpForm& form, UnixNanos now) {
  RangeParameters p;
  p.query = form.get("query");
  TRY_LET(p.range, parse_time_range(form, now));
  TRY(check_order(p.range));
  TRY_LET(p.limit, parse_limit(form, "limit", kDefaultLimit));
  TRY_LET(p.direction, parse_direction(form));
  TRY_LET(p.step, parse_step_of(form, p.range));
  if (std::string_view text = form.get("interval"); !text.empty()) {
    TRY_LET(p.interval, parse_step(text));
    if (p.interval.count() < 0) return fail(Errc::kInvalid, "interval must be >= 0");
  }
  return p;
}

Result<InstantParameters> parse_instant_parameters(const HttpForm& form, UnixNanos now) {
  InstantParameters p;
  p.query = form.get("query");
  p.time = now;
  if (std::string_view text = form.get("time"); !text.empty()) { TRY_LET(p.time, parse_timestamp(text)); }
  TRY_LET(p.limit, parse_limit(form, "limit", kDefaultLimit));
  TRY_LET(p.direction, parse_direction(form));
  return p;
}

}  // namespace server
