#include "agent/fixtures.h"

#include <algorithm>
#include <sstream>

#include "agent/line_diff.h"
#include "agent/tried_source.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/time_format.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigDocument;
using pipeline::ConfigKind;
using pipeline::ConfigTable;
using pipeline::JsonEntry;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {
// What is compared of one entry; nothing: not compared.
struct Expected {
  std::optional<std::string> line;
  std::optional<LabelSet> labels;
  std::optional<UnixNanos> time;
  std::optional<std::vector<std::pair<std::string, std::string>>> metadata;
};

struct Case {
  std::string name, source, place;
  std::vector<JsonEntry> entries;
  std::vector<Expected> expected;
  std::vector<std::string> metrics;
};

struct Fixtures {
  std::string config;
  UnixNanos now = 0;
  std::vector<Case> cases;
};

LabelSet label_set(const ConfigTable& table, std::string_view key) {
  std::vector<pipeline::Label> labels;
  for (auto& [name, value] : table.string_map(key)) labels.emplace_back(name, value);
  return LabelSet::from(std::move(labels));
}

std::optional<UnixNanos> read_time(const ConfigTable& table, std::string_view key) {
  auto text = table.find_string(key);
  if (!text) return std::nullopt;
  auto time = pipeline::parse_rfc3339(*text);
  if (!time)
    table.error_at(key, concat("\"", *text, "\" is no RFC 3339 time"), "for example \"2026-11-01T10:00:00.5Z\"");
  return time;
}

JsonEntry read_entry(const ConfigTable& table, const Case& c, const LabelSet& labels) {
  JsonEntry entry;
  entry.line = table.string("line");
  if (!table.has("line")) table.error(concat("an entry of case \"", c.name, "\" without a line"), "add line = \"...\"");
  entry.labels = table.has("labels") ? label_set(table, "labels") : labels;
  entry.time = read_time(table, "timestamp").value_or(0);
  entry.metadata = table.string_map("structured_metadata");
  return entry;
}

Expected read_expected(const ConfigTable& table) {
  Expected expected;
  expected.line = table.find_string("line");
  if (table.has("labels")) expected.labels = label_set(table, "labels");
  expected.time = read_time(table, "timestamp");
  if (table.has("structured_metadata")) expected.metadata = table.string_map("structured_metadata");
  return expected;
}

Case read_case(const ConfigTable& table, const std::string& source) {
  Case c;
  c.name = table.required_string("name");
  c.source = table.string("source", source);
  c.place = table.place();
  LabelSet labels = label_set(table, "labels");
  for (const std::string& line : table.strings("lines")) c.entries.push_back({0, labels, line, {}});
  if (table.has("lines") && table.has("entry"))
    table.error_at("entry", concat("case \"", c.name, "\" has both lines and entries"), "keep one of them");
  for (const ConfigTable& entry : table.tables("entry")) c.entries.push_back(read_entry(entry, c, labels));
  if (!table.has("lines") && !table.has("entry"))
    table.error(concat("case \"", c.name, "\" has no input"), "add lines = [\"...\"] or [[case.entry]]");
  for (const ConfigTable& expected : table.tables("expect")) c.expected.push_back(read_expected(expected));
  if (!table.has("expect"))
    table.error(concat("case \"", c.name, "\" expects nothing"),
                "add [[case.expect]], or expect = [] if all is dropped");
  c.metrics = table.strings("metrics");
  return c;
}

Result<Fixtures> read_fixtures(const std::string& path) {
  TRY_LET(ConfigDocument document, ConfigDocument::load(path));
  ConfigTable root = document.root();
  Fixtures fixtures;
  fixtures.config = root.string("config");
  fixtures.now = read_time(root, "now").value_or(pipeline::SystemClock().wall());
  std::string source = root.string("source");
  for (const ConfigTable& table : root.tables("case")) fixtures.cases.push_back(read_case(table, source));
  if (fixtures.cases.empty()) root.error("no [[case]]", "add one, so that there is something to try");
  TRY(document.finish());
  if (!fixtures.config.empty() && !fixtures.config.starts_with('/'))
    fixtures.config = concat(path.substr(0, path.rfind('/') + 1), fixtures.config);
  return fixtures;
}

std::string quoted(std::string_view text) {
  std::string out;
  pipeline::append_json_string(out, text);
  return out;
}

std::string metadata_text(std::vector<std::pair<std::string, std::string>> metadata) {
  std::sort(metadata.begin(), metadata.end());
  std::string out = "{";
  for (auto& [name, value] : metadata) out += concat(out.size() > 1 ? ", " : "", name, "=", quoted(value));
  return out + "}";
}

void append_lines(std::vector<std::string>& out, size_t number, const Expected& e) {
  out.push_back(concat("entry ", number));
  if (e.line) out.push_back(concat("  line ", quoted(*e.line)));
  if (e.labels) out.push_back(concat("  labels ", e.labels->text()));
  if (e.time) out.push_back(concat("  timestamp ", pipeline::format_rfc3339(*e.time)));
  if (e.metadata) out.push_back(concat("  structured_metadata ", metadata_text(*e.metadata)));
}

// The same of an entry as is expected of it; everything where nothing is expected.
Expected compared(const JsonEntry& entry, const Expected* like) {
  Expected out;
  if (!like || like->line) out.line = entry.line;
  if (!like || like->labels) out.labels = entry.labels;
  if (!like || like->time) out.time = entry.time;
  if (!like || like->metadata) out.metadata = entry.metadata;
  return out;
}

struct Got {
  std::vector<JsonEntry> entries;
  std::string metrics;
};

Result<Got> run_case(const Case& c, const Fixtures& fixtures, const std::string& config) {
  TRY_LET(Configuration configuration,
          load_configuration(config, Needs::kSourcesOnly));  // anew: nothing is counted yet
  auto source = find_source(configuration, c.source);
  if (!source) return pipeline::fail(source.error().within(c.place));
  size_t next = 0;
  auto in = [&]() -> std::optional<std::string> {
    if (next == c.entries.size()) return std::nullopt;
    const JsonEntry& entry = c.entries[next++];
    std::vector<pipeline::Metadata> metadata;
    for (auto& [name, value] : entry.metadata) metadata.push_back({name, value});
    std::string line;
    pipeline::append_entry_json(line, entry.time != 0 ? entry.time : fixtures.now, entry.labels, entry.line, metadata);
    return line;
  };
  std::string text;
  pipeline::DropCounts drops;
  TRY(pipeline::test_stages(
      *(*source)->stages, fixtures.now, relabelled(**source, in, drops), [&](std::string_view piece) { text += piece; },
      drops));
  Got got;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    TRY_LET(JsonEntry entry, pipeline::parse_entry_json(line));
    got.entries.push_back(std::move(entry));
  }
  got.metrics = pipeline::stage_metrics_text(*(*source)->stages, fixtures.now, drops);
  return got;
}

// Empty: the case has passed.
std::string difference(const Case& c, const Got& got) {
  std::vector<std::string> want_lines, got_lines;
  for (size_t i = 0; i < c.expected.size(); i++) append_lines(want_lines, i + 1, c.expected[i]);
  for (size_t i = 0; i < got.entries.size(); i++) {
    const Expected* like = i < c.expected.size() ? &c.expected[i] : nullptr;
    append_lines(got_lines, i + 1, compared(got.entries[i], like));
  }
  for (const std::string& metric : c.metrics) {
    want_lines.push_back(concat("metric ", metric));
    if (concat("\n", got.metrics).find(concat("\n", metric, "\n")) != std::string::npos)
      got_lines.push_back(want_lines.back());
    else
      for (const std::string& other : lines_with(got.metrics, metric.substr(0, metric.find_first_of("{ "))))
        got_lines.push_back(concat("metric ", other));
  }
  return line_diff(want_lines, got_lines);
}
}  // namespace

Result<FixtureCounts> run_fixtures(const std::string& path, const std::string& config, const pipeline::WriteText& out) {
  TRY_LET(Fixtures fixtures, read_fixtures(path));
  const std::string& used = config.empty() ? fixtures.config : config;
  if (used.empty())
    return pipeline::fail(pipeline::Errc::kInvalid,
                          concat(path, ": no configuration; add config = \"FILE\", or --config FILE"));
  FixtureCounts counts;
  for (const Case& c : fixtures.cases) {
    TRY_LET(Got got, run_case(c, fixtures, used));
    std::string diff = difference(c, got);
    if (diff.empty()) {
      counts.passed++;
      out(concat("ok   ", c.name, "\n"));
    } else {
      counts.failed++;
      out(concat("FAIL ", c.name, "\n--- expected, ", c.place, "\n+++ what the pipeline gives\n", diff));
    }
  }
  out(concat(counts.passed, " passed, ", counts.failed, " failed\n"));
  return counts;
}

}  // namespace agent
