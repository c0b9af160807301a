#include "server/query/query_admission.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/match/regex.h"
#include "pipeline/parse/value_text.h"
#include "server/logql/metric.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::prometheus_duration_text;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

std::vector<const Selector*> selectors_of(const Expr& expr) {
  if (const LogExpr* log = expr.log()) return {&log->selector};
  std::vector<const Selector*> out;
  for (const RangeAggregation* range : range_aggregations(expr)) out.push_back(&range->range.log.selector);
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += concat(out.empty() ? "" : ", ", name);
  return out;
}

Result<void> check_labels(const TenantLimits& limits, const Selector& selector) {
  std::vector<std::string> present, missing;
  for (const LabelMatcher& matcher : selector.matchers) present.push_back(matcher.name);
  for (const std::string& label : limits.required_labels)
    if (std::find(present.begin(), present.end(), label) == present.end()) missing.push_back(label);
  if (!missing.empty()) {
    return fail(Errc::kInvalid, concat("stream selector is missing required matchers [", joined(missing),
                                       "], labels present in the query were [", joined(present), "]"));
  }
  if (present.size() < limits.minimum_labels_number) {
    return fail(Errc::kInvalid, concat("stream selector has less label matchers than required: (present: [",
                                       joined(present), "], number_present: ", present.size(),
                                       ", required_number_label_matchers: ", limits.minimum_labels_number, ")"));
  }
  return {};
}

// 32-bit FNV-1, Loki's hash of a query's text.
uint32_t query_hash(std::string_view text) {
  uint32_t hash = 2166136261U;
  for (char c : text) hash = (hash * 16777619U) ^ static_cast<unsigned char>(c);
  return hash;
}

std::string_view type_of(const Expr& expr) {
  const LogExpr* log = expr.log();
  if (log == nullptr) return "metric";
  const bool filters = std::any_of(log->stages.begin(), log->stages.end(), [](const Stage& stage) {
    return std::holds_alternative<LineFilterStage>(stage) || std::holds_alternative<LabelFilterStage>(stage);
  });
  return filters ? "filter" : "limited";
}

bool is_blocked(const BlockedQuery& blocked, const Expr& expr, std::string_view text) {
  const std::string_view type = type_of(expr);
  if (!blocked.types.empty() && std::find(blocked.types.begin(), blocked.types.end(), type) == blocked.types.end())
    return false;
  if (blocked.hash != 0) return blocked.hash == query_hash(text);
  if (blocked.pattern.empty()) return !blocked.types.empty();
  if (!blocked.regex) return blocked.pattern == text;
  auto regex = pipeline::Regex::compile(blocked.pattern);
  return regex && regex->partial_match(text);
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10) return concat(bytes, " B");
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  value = std::floor(value * 10 + 0.5) / 10;
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return text;
}

Result<void> check_length(const TenantLimits& limits, UnixNanos start, UnixNanos end) {
  if (limits.max_query_length.count() == 0) return {};
  double length = static_cast<double>(end) - static_cast<double>(start);
  if (length <= static_cast<double>(limits.max_query_length.count())) return {};
  auto shown = std::chrono::nanoseconds(length > 9.2e18 ? INT64_MAX : end - start);
  return fail(Errc::kInvalid,
              concat("the query time range exceeds the limit (query length: ", pipeline::format_duration(shown),
                     ", limit: ", prometheus_duration_text(limits.max_query_length.count()), ")"));
}

Result<void> check_query(const TenantLimits& limits, const Expr& expr, std::string_view text) {
  for (const BlockedQuery& blocked : limits.blocked_queries)
    if (is_blocked(blocked, expr, text)) return fail(Errc::kInvalid, "query blocked by policy");
  const uint64_t most = limits.max_streams_matchers_per_query;
  for (const Selector* selector : selectors_of(expr)) {
    if (most != 0 && selector->matchers.size() > most) {
      return fail(Errc::kInvalid, concat("max streams matchers per query exceeded, matchers-count > limit (",
                                         selector->matchers.size(), " > ", most, ")"));
    }
    TRY(check_labels(limits, *selector));
  }
  const int64_t longest = limits.max_query_range.count();
  if (longest == 0 || expr.log() != nullptr) return {};
  for (const RangeAggregation* range : range_aggregations(expr)) {
    if (range->range.range_ns <= longest) continue;
    return fail(Errc::kInvalid,
                concat("[interval] value exceeds limit: [", prometheus_duration_text(range->range.range_ns), "] > [",
                       prometheus_duration_text(longest), "]"));
  }
  return {};
}

Result<void> check_bytes(const TenantLimits& limits, uint64_t bytes) {
  if (limits.max_query_bytes_read == 0 || bytes <= limits.max_query_bytes_read) return {};
  return fail(Errc::kInvalid, concat("the query would read too many bytes (query: ", human_bytes(bytes),
                                     ", limit: ", human_bytes(limits.max_query_bytes_read),
                                     "); consider adding more specific stream selectors or reduce the time range of "
                                     "the query"));
}

}  // namespace server
