#include "server/cli/commands.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <ostream>
#include <set>

#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/http/http_form.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Result;

void print_notes(const QueryAnswer& answer, const CommandOutput& output) {
  for (const std::string& warning : answer.warnings) output.err << "warning: " << warning << "\n";  // also if quiet
  if (!output.stats) return;
  for (const auto& [name, value] : answer.stats) output.err << name << "=" << value << "\n";
}

Result<void> closed_output() { return pipeline::fail(pipeline::Errc::kCancelled, "nobody reads the output any more"); }

Parameters range_parameters(TimeSpan range) {
  return {{"start", std::to_string(range.start)}, {"end", std::to_string(range.end)}};
}

Result<void> print_analysis(const std::vector<pipeline::LabelSet>& series, const CommandOutput& output) {
  struct Found {
    std::set<std::string> values;
    size_t streams = 0;
  };
  std::map<std::string, Found> labels;
  for (const pipeline::LabelSet& one : series) {
    for (const auto& [name, value] : one.labels()) {
      Found& found = labels[name];
      found.values.insert(value);
      ++found.streams;
    }
  }
  std::vector<std::pair<std::string, Found>> sorted(labels.begin(), labels.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.values.size() > b.second.values.size(); });
  std::vector<std::vector<std::string>> rows = {{"Label Name", "Unique Values", "Found In Streams"}};
  for (const auto& [name, found] : sorted) {
    rows.push_back({name, std::to_string(found.values.size()), std::to_string(found.streams)});
  }
  return print_text(concat("Total Streams:  ", series.size(), "\nUnique Labels:  ", labels.size(), "\n\n", table(rows)),
                    output);
}

// "1.5 MB", as logcli writes sizes.
std::string size_text(const std::string& bytes) {
  double value = 0;
  auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
  if (error != std::errc() || end != bytes.data() + bytes.size()) return bytes;
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || value >= 10 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace

Result<void> print_text(const std::string& text, const CommandOutput& output) {
  output.out << text;
  output.out.flush();
  if (!output.out) return closed_output();
  return {};
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string one_line(std::string json) {
  while (json.ends_with('\n')) json.pop_back();
  return json;
}

Result<void> print_answer(const QueryAnswer& answer, const CommandOutput& output) {
  print_notes(answer, output);
  AnswerPrinter printer(output.out, output.style);
  for (const AnsweredEntry& entry : answer.entries) printer.print(entry);
  for (const AnsweredSample& sample : answer.samples) printer.print(sample);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_query(const ServerConnection& server, EntryQuery query, const CommandOutput& output) {
  query.with_metadata = output.style.form == OutputForm::kJsonLines;
  EntryPages pages(server, std::move(query));
  AnswerPrinter printer(output.out, output.style);
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
                         uint64_t limit, const CommandOutput& output) {
  const Parameters parameters{{"query", query}, {"time", std::to_string(time)}, {"limit", std::to_string(limit)}};
  TRY_LET(const std::string body, server.get("/loki/api/v1/query", parameters));
  TRY_LET(const QueryAnswer answer, parse_query_answer(body));
  return print_answer(answer, output);
}

Result<void> run_labels(const ServerConnection& server, const std::string& name, TimeSpan range,
                        const CommandOutput& output) {
  const std::string path =
      name.empty() ? "/loki/api/v1/labels" : concat("/loki/api/v1/label/", pipeline::percent_encode(name), "/values");
  TRY_LET(const std::string body, server.get(path, range_parameters(range)));
  TRY_LET(const std::vector<std::string> names, parse_names_answer(body));
  AnswerPrinter printer(output.out, output.style);
  for (const std::string& one : names) printer.print(one);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_series(const ServerConnection& server, const std::string& selector, TimeSpan range, SeriesForm form,
                        const CommandOutput& output) {
  Parameters parameters = range_parameters(range);
  if (!selector.empty()) parameters.emplace_back("match[]", selector);
  TRY_LET(const std::string body, server.get("/loki/api/v1/series", parameters));
  TRY_LET(std::vector<pipeline::LabelSet> series, parse_series_answer(body));
  if (form == SeriesForm::kAnalysis) return print_analysis(series, output);
  std::sort(series.begin(), series.end());
  AnswerPrinter printer(output.out, output.style);
  for (const pipeline::LabelSet& one : series) printer.print(one);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_stats(const ServerConnection& server, const std::string& selector, TimeSpan range,
                       const CommandOutput& output) {
  Parameters parameters = range_parameters(range);
  parameters.emplace_back("query", selector);
  TRY_LET(const std::string body, server.get("/loki/api/v1/index/stats", parameters));
  TRY_LET(const auto numbers, parse_numbers_answer(body));
  if (output.style.form == OutputForm::kJsonLines) return print_text(concat(one_line(body), "\n"), output);
  std::string text = "{\n";
  for (const char* name : {"bytes", "chunks", "streams", "entries"}) {
    for (const auto& [key, value] : numbers) {
      if (key != name) continue;
      const bool sized = key == "bytes" && output.style.form == OutputForm::kDefault;
      text += concat("  ", key, ": ", sized ? size_text(value) : value, "\n");
    }
  }
  return print_text(text + "}\n", output);
}

Result<void> run_volume(const ServerConnection& server, const VolumeQuery& query, const CommandOutput& output) {
  Parameters parameters = range_parameters(query.range);
  parameters.emplace_back("query", query.selector);
  parameters.emplace_back("limit", std::to_string(query.limit));
  if (!query.target_labels.empty()) parameters.emplace_back("targetLabels", query.target_labels);
  if (query.aggregate_by_labels) parameters.emplace_back("aggregateBy", "labels");
  if (!query.step.empty()) parameters.emplace_back("step", query.step);
  const std::string path = concat("/loki/api/v1/index/volume", query.step.empty() ? "" : "_range");
  TRY_LET(const std::string body, server.get(path, parameters));
  TRY_LET(const QueryAnswer answer, parse_query_answer(body));
  print_notes(answer, output);
  AnswerPrinter printer(output.out, output.style);
  for (const AnsweredSample& sample : answer.samples) printer.print(sample);
  if (!printer.flush()) return closed_output();
  return {};
}

Result<void> run_detected_fields(const ServerConnection& server, const FieldsQuery& query,
                                 const CommandOutput& output) {
  Parameters parameters = range_parameters(query.range);
  parameters.emplace_back("query", query.query);
  parameters.emplace_back("limit", std::to_string(query.limit));
  parameters.emplace_back("line_limit", std::to_string(query.line_limit));
  if (!query.step.empty()) parameters.emplace_back("step", query.step);
  AnswerPrinter printer(output.out, output.style);
  if (!query.field.empty()) {
    const std::string path = concat("/loki/api/v1/detected_field/", pipeline::percent_encode(query.field), "/values");
    TRY_LET(const std::string body, server.get(path, parameters));
    TRY_LET(const auto values, parse_list_answer(body, "values"));
    for (const std::string& value : values) printer.print(value);
    if (!printer.flush()) return closed_output();
    return {};
  }
  TRY_LET(const std::string body, server.get("/loki/api/v1/detected_fields", parameters));
  TRY_LET(auto fields, parse_fields_answer(body));
  if (output.style.form == OutputForm::kJsonLines) return print_text(concat(one_line(body), "\n"), output);
  std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<std::vector<std::string>> rows;
  for (const AnsweredField& field : fields) {
    std::string parsers;
    for (const std::string& parser : field.parsers) parsers += concat(parsers.empty() ? "" : ",", parser);
    if (output.style.form == OutputForm::kRaw) {
      rows.push_back({field.name});
    } else {
      rows.push_back({field.name, field.type, field.cardinality, parsers.empty() ? "-" : parsers});
    }
  }
  if (output.style.form == OutputForm::kDefault && !rows.empty()) {
    rows.insert(rows.begin(), {"Field", "Type", "Cardinality", "Parsers"});
  }
  return print_text(table(rows), output);
}

Result<void> run_format(const ServerConnection& server, const std::string& query, const CommandOutput& output) {
  TRY_LET(const std::string body, server.get("/loki/api/v1/format_query", {{"query", query}}));
  TRY_LET(const auto members, parse_numbers_answer(body));
  for (const auto& [name, value] : members) {
    if (name == "data") return print_text(concat(value, "\n"), output);
  }
  return pipeline::fail(pipeline::Errc::kCorrupt, "the server's answer is not Loki's: no data; check --addr");
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
