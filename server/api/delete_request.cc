#include "server/api/delete_request.h"

#include <algorithm>
#include <cstdio>
#include <random>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "server/api/loki_json.h"
#include "server/erase/erasures.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpForm;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;
constexpr int64_t kMaxIntervalSeconds = 24 * 3600;  // Loki's delete_max_interval

// Unix seconds, exactly ten digits, or RFC 3339.
std::optional<UnixNanos> parse_time(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return pipeline::parse_rfc3339(text);
  if (text.size() != 10) return std::nullopt;
  return std::stoll(std::string(text)) * kSecond;
}

Result<UnixNanos> time_of(std::string_view text, std::string_view name) {
  if (auto time = parse_time(text)) return *time;
  return fail(Errc::kInvalid, concat("invalid ", name, " time: require unix seconds or RFC3339 format"));
}

// "1h30m0s", as Go writes whole seconds.
std::string go_seconds(int64_t seconds) {
  std::string out;
  if (seconds >= 3600) out += concat(seconds / 3600, "h");
  if (seconds >= 60) out += concat(seconds % 3600 / 60, "m");
  return out + concat(seconds % 60, "s");
}

// Loki cuts a request into pieces of that length; ours is one piece whatever its length, so it is only checked.
Result<void> check_max_interval(std::string_view text, int64_t span_seconds) {
  if (text.empty()) return {};
  const char unit = text.back();
  const int64_t factor = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
  const std::string_view number = text.substr(0, text.size() - 1);
  const bool digits = !number.empty() && number.size() <= 9 &&
                      std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (factor == 0 || !digits) return fail(Errc::kInvalid, "invalid max_interval: valid time units are 's', 'm', 'h'");
  const int64_t seconds = std::stoll(std::string(number)) * factor;
  if (seconds > kMaxIntervalSeconds) return fail(Errc::kInvalid, "max_interval can't be greater than 24h0m0s");
  if (seconds <= span_seconds) return {};
  return fail(Errc::kInvalid,
              concat("max_interval can't be greater than the interval to be deleted (", go_seconds(span_seconds), ")"));
}

std::string random_id() {
  std::random_device random;
  char text[9];
  std::snprintf(text, sizeof text, "%08x", static_cast<unsigned>(random()));
  return text;
}

std::string json_texts(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += concat(out.empty() ? "[" : ",", json_text(text));
  return out + "]";
}

// Seconds with milliseconds where there are any.
std::string seconds_with_millis(UnixNanos time) {
  const int64_t millis = time / 1'000'000;
  if (millis % 1000 == 0) return std::to_string(millis / 1000);
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(millis / 1000),
                static_cast<long long>(millis % 1000));
  return text;
}

}  // namespace

Result<DeleteRequest> parse_delete_request(const HttpForm& parameters, std::string tenant, UnixNanos now) {
  DeleteRequest request;
  request.id = random_id();
  request.tenant = std::move(tenant);
  request.query = parameters.get("query");
  if (request.query.empty()) return fail(Errc::kInvalid, "query not set");
  if (auto rule = compile_delete(request); !rule) return fail(rule.error());
  if (parameters.get("start").empty()) return fail(Errc::kInvalid, "start time not set");
  TRY_LET(request.begin, time_of(parameters.get("start"), "start"));
  UnixNanos last = now;
  if (!parameters.get("end").empty()) { TRY_LET(last, time_of(parameters.get("end"), "end")); }
  if (last > now) return fail(Errc::kInvalid, "deletes in the future are not allowed");
  if (request.begin >= last) return fail(Errc::kInvalid, "start time can't be greater than or equal to end time");
  TRY(check_max_interval(parameters.get("max_interval"), (last - request.begin) / kSecond));
  request.end = last + 1;
  return request;
}

Result<std::vector<DeleteRequest>> filter_deletes(std::vector<DeleteRequest> requests, std::string_view tenant,
                                                  const HttpForm& parameters) {
  UnixNanos start = INT64_MIN, end = INT64_MAX;
  if (!parameters.get("start").empty()) { TRY_LET(start, time_of(parameters.get("start"), "start")); }
  if (!parameters.get("end").empty()) { TRY_LET(end, time_of(parameters.get("end"), "end")); }
  std::erase_if(requests, [&](const DeleteRequest& request) {
    return request.tenant != tenant || request.end <= start || request.begin > end;
  });
  return requests;
}

std::string deletes_answer(std::span<const DeleteRequest> requests) {
  std::vector<const DeleteRequest*> sorted;
  for (const DeleteRequest& request : requests) sorted.push_back(&request);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const DeleteRequest* a, const DeleteRequest* b) { return a->created < b->created; });
  std::string out = "[";
  for (const DeleteRequest* request : sorted) {
    if (out.size() > 1) out += ",";
    const bool processed = request->processed != 0;
    out += concat(R"({"request_id":)", json_text(request->id), R"(,"start_time":)", request->begin / kSecond,
                  R"(,"end_time":)", (request->end - 1) / kSecond, R"(,"query":)", json_text(request->query),
                  R"(,"status":")", processed ? "processed" : "received", R"(","created_at":)",
                  seconds_with_millis(request->created), R"(,"user_id":"")");
    if (processed) {
      out += concat(R"(,"processed_at":)", seconds_with_millis(request->processed), R"(,"removed_entries":)",
                    request->removed_entries, R"(,"removed_bytes":)", request->removed_bytes);
      if (!request->unreadable.empty()) out += concat(R"(,"unreadable_objects":)", json_texts(request->unreadable));
    }
    out += "}";
  }
  return out + "]";
}

}  // namespace server
