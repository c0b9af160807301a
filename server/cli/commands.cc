#include "server/cli/commands.h"

#include <algorithm>
#include <charconv>
#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/http/http_form.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Result;

void print_notes(const QueryAnswer& answer, const CommandOutput& output) {
  for (const std::string& warning : answer.warnings) output.err << "warning: " << warning << "\n";
  if (!output.stats) return;
  for (const auto& [name, value] : answer.stats) output.err << name << "=" << value << "\n";
}

Result<void> closed_output() { return pipeline::fail(pipeline::Errc::kCancelled, "nobody reads the output any more"); }

Parameters range_parameters(TimeRange range) {
  return {{"start", std::to_string(range.start)}, {"end", std::to_string(range.end)}};
}

}  // namespace

Result<void> run_query(const ServerConnection& server, RangeQuery query, const CommandOutput& output) {
  query.with_metadata = output.form == OutputForm::kJsonLines;
  EntryPages pages(server, std::move(query));
  AnswerPrinter printer(output.out, output.form);
  while (!pages.finished()) {
    TRY_LET(const QueryAnswer answer, pages.next());
    print_notes(answer, output);
    for (const AnsweredEntry& entry : answer.entries) printer.print(entry);
    for (const AnsweredSample& sample : answer.samples) printer.print(sample);
    if (!printer.flush()) return closed_output();
  }
  return {};
}

Result<void> run_instant(const ServerConnection& server, const std::string& query, pipeline::UnixNanos time,
                         const CommandOutput& output) {
  TRY_LET(const std::string body, server.get("/loki/api/v1/query", {{"query", query}, {"time", std::to_string(time)}}));
  TRY_LET(const QueryAnswer answer, parse_query_answer(body));
  print_notes(answer, output);
  AnswerPrinter printer(output.out, output.form);
  for (const AnsweredEntry& entry : answer.entries) printer.print(entry);
  for (const AnsweredSample& sample : answer.samples) printer.print(sample);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_labels(const ServerConnection& server, const std::string& name, TimeRange range,
                        const CommandOutput& output) {
  const std::string path =
      name.empty() ? "/loki/api/v1/labels" : concat("/loki/api/v1/label/", pipeline::percent_encode(name), "/values");
  TRY_LET(const std::string body, server.get(path, range_parameters(range)));
  TRY_LET(const std::vector<std::string> names, parse_names_answer(body));
  AnswerPrinter printer(output.out, output.form);
  for (const std::string& one : names) printer.print(one);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_series(const ServerConnection& server, const std::string& selector, TimeRange range,
                        const CommandOutput& output) {
  Parameters parameters = range_parameters(range);
  if (!selector.empty()) parameters.emplace_back("match[]", selector);
  TRY_LET(const std::string body, server.get("/loki/api/v1/series", parameters));
  TRY_LET(std::vector<pipeline::LabelSet> series, parse_series_answer(body));
  std::sort(series.begin(), series.end());
  AnswerPrinter printer(output.out, output.form);
  for (const pipeline::LabelSet& one : series) printer.print(one);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<pipeline::UnixNanos> parse_time_option(const std::string& text) {
  if (auto time = pipeline::parse_rfc3339(text)) return *time;
  pipeline::UnixNanos number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return pipeline::fail(
        pipeline::Errc::kInvalid,
        concat("\"", text, "\" is not a time; write 2026-11-01T10:00:00Z, or seconds or nanoseconds since 1970"));
  }
  return text.size() <= 10 ? number * 1'000'000'000 : number;
}

}  // namespace server
