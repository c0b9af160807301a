#include "server/tail/tail_request.h"

#include <algorithm>
#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/model/label_set.h"
#include "server/api/query_parameters.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr int64_t kMaxDelaySeconds = 5;  // Loki's

Result<std::chrono::seconds> parse_delay(std::string_view text) {
  int64_t seconds = 0;
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (!text.empty() && (error != std::errc() || end != digits.data() + digits.size())) {
    std::string quoted;
    pipeline::append_quoted(quoted, text);
    return fail(Errc::kInvalid, concat("strconv.Atoi: parsing ", quoted, ": invalid syntax"));
  }
  if (seconds > kMaxDelaySeconds)
    return fail(Errc::kInvalid, concat("delay_for can't be greater than ", kMaxDelaySeconds));
  return std::chrono::seconds(std::max<int64_t>(seconds, 0));
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    out.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

}  // namespace

Result<TailRequest> parse_tail_request(const pipeline::HttpForm& form, std::string_view encoding_flags, UnixNanos now) {
  TailRequest out;
  out.query = form.get("query");
  TRY_LET(Expr expr, parse_query(out.query));
  auto* log = std::get_if<LogExpr>(&expr.node);
  if (!log) return fail(Errc::kInvalid, "only log selector is supported");
  out.expr = std::move(*log);
  TRY_LET(out.limit, parse_limit(form, "limit", 100));
  out.start = now - std::chrono::nanoseconds(std::chrono::hours(1)).count();
  if (std::string_view text = form.get("start"); !text.empty()) {
    auto start = parse_timestamp(text);
    if (!start) return fail(Errc::kInvalid, concat("could not parse 'start' parameter: ", start.error().message));
    out.start = *start;
  }
  TRY_LET(out.delay, parse_delay(form.get("delay_for")));
  out.flags = split(encoding_flags);
  out.categorize_labels = std::find(out.flags.begin(), out.flags.end(), "categorize-labels") != out.flags.end();
  return out;
}

}  // namespace server
