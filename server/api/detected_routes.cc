#include "server/api/detected_routes.h"

#include "server/api/detected_fields.h"
#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

constexpr uint32_t kDefaultLineLimit = 100;
constexpr uint32_t kDefaultFieldLimit = 1000;

struct FieldSample {
  ResultStreams streams;
  uint32_t limit = 0;  // of fields or values
  std::vector<std::string> warnings;
};

// The latest entries of the query, with categorised labels.
Result<FieldSample> sample_of(const ReadCall& call, QueryEngine& engine) {
  TRY_LET(SteppedRange stepped, parse_stepped_range(call.form, call.now));
  stepped.range = within_lookback(stepped.range, *engine.limits(call.tenant), call.now);
  TRY_LET(uint32_t lines, parse_limit(call.form, "line_limit", kDefaultLineLimit));
  TRY_LET(uint32_t older_name, parse_limit(call.form, "field_limit", kDefaultFieldLimit));
  TRY_LET(uint32_t limit, parse_limit(call.form, "limit", older_name));
  std::string query(call.form.get("query"));
  TRY_LET(Expr expr, parse_query(query));
  if (expr.log() == nullptr) return fail(Errc::kInvalid, "only log selector is supported");
  RangeQuery range{call.tenant,         std::move(query),
                   stepped.range.start, stepped.range.end,
                   stepped.step,        {Direction::kBackward, lines, std::chrono::nanoseconds(0), true}};
  TRY_LET(QueryResult result, engine.range(range, *call.turn));
  return FieldSample{std::get<ResultStreams>(std::move(result.data)), limit, std::move(result.warnings)};
}

}  // namespace

void add_detected_routes(ReadRoutes& routes, QueryEngine& engine) {
  routes.add_json("/loki/api/v1/detected_fields", [&engine](const ReadCall& call) -> Result<std::string> {
    TRY_LET(FieldSample sample, sample_of(call, engine));
    return with_warnings(detected_fields_answer(detect_fields(sample.streams, sample.limit), sample.limit),
                         sample.warnings);
  });
  routes.add_json("/loki/api/v1/detected_field/{name}/values", [&engine](const ReadCall& call) -> Result<std::string> {
    TRY_LET(FieldSample sample, sample_of(call, engine));
    auto values = detect_field_values(sample.streams, call.request.path_value("name"), sample.limit);
    return with_warnings(detected_values_answer(values, sample.limit), sample.warnings);
  });
}

}  // namespace server
