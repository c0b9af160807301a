#include "server/api/detected_fields.h"

#include <algorithm>
#include <array>
#include <set>

#include "pipeline/base/invariant.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/value_text.h"
#include "server/api/loki_json.h"

namespace server {

using pipeline::Arena;
using pipeline::JsonKind;
using pipeline::JsonMember;
using pipeline::JsonValue;
using pipeline::Label;
using pipeline::LabelSet;
using pipeline::parse_go_duration;
using pipeline::parse_go_float;
using pipeline::parse_human_bytes;

namespace {

bool is_go_bool(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kTexts = {"1", "t", "T", "TRUE",  "true",  "True",
                                                              "0", "f", "F", "FALSE", "false", "False"};
  return std::find(kTexts.begin(), kTexts.end(), text) != kTexts.end();
}

bool is_error_label(std::string_view name) {
  return name == kErrorLabel || name == kErrorDetailsLabel || name == kPreserveErrorLabel;
}

using Path = std::vector<std::string>;

// The path of the field that LogQL's json parser calls `label`; `prefix` is the name of `members`' owner.
std::optional<Path> find_path(const std::vector<JsonMember>& members, const std::string& prefix, std::string_view label,
                              Arena& arena) {
  for (const JsonMember& member : members) {
    std::string key(pipeline::json_text(member.name, arena).value_or(""));
    std::string name(prefix.empty() ? pipeline::sanitise_label_name(key, arena)
                                    : pipeline::sanitise_label_name(pipeline::concat(prefix, "_", key), arena));
    if (member.value.kind != JsonKind::kObject) {
      if (name == label) return Path{std::move(key)};
      continue;
    }
    if (!label.starts_with(name)) continue;
    std::vector<JsonMember> inner;
    pipeline::json_members(member.value, inner);
    if (auto path = find_path(inner, name, label, arena)) {
      path->insert(path->begin(), std::move(key));
      return path;
    }
  }
  return std::nullopt;
}

Path json_path(std::string_view line, std::string_view label) {
  Arena arena;
  std::vector<JsonMember> members;
  if (!pipeline::check_json(line, &members)) return {};
  auto path = find_path(members, "", label, arena);
  constexpr std::string_view kRenamed = "_extracted";
  if (!path && label.ends_with(kRenamed)) {
    label.remove_suffix(kRenamed.size());
    path = find_path(members, "", label, arena);
  }
  return path.value_or(Path());
}

// A parser that is tried on every line.
class LineParser {
 public:
  explicit LineParser(Stage stage) : pipeline_(compile(std::move(stage))), run_(pipeline_, results_) {}

  void begin_stream(const LabelSet& labels) { run_.begin_stream(labels); }
  // The labels it sets; nothing where the line is not of its form.
  const LabelSet* parse(std::string_view line) {
    if (!run_.process(0, line, {})) return nullptr;
    const ResultLabels& labels = results_.at(run_.labels());
    return labels.has_error ? nullptr : &labels.parsed;
  }

 private:
  static LogPipeline compile(Stage stage) {
    std::vector<Stage> stages;
    stages.push_back(std::move(stage));
    auto compiled = LogPipeline::compile(stages);
    INVARIANT(compiled.has_value());
    return *std::move(compiled);
  }

  const LogPipeline pipeline_;
  LabelResults results_;
  PipelineRun run_;
};

// What parsers make of entries, one after the other.
class FieldParser {
 public:
  void begin_stream(const LabelSet& labels) {
    json_.begin_stream(labels);
    logfmt_.begin_stream(labels);
  }
  // Calls take(name, value) for each field of the line, those of the query's parsers first; returns the name of the
  // parser that understood the line, or "".
  template <class Take>
  std::string_view parse(const ResultEntry& entry, Take take) {
    std::string_view parser = "json";
    const LabelSet* own = json_.parse(entry.line);
    if (own == nullptr) {
      parser = "logfmt";
      own = logfmt_.parse(entry.line);
    }
    for (const auto& [name, value] : entry.parsed)
      if (!is_error_label(name)) take(name, value);
    if (own == nullptr) return "";
    for (const auto& [name, value] : own->labels())
      if (!is_error_label(name)) take(name, value);
    return parser;
  }

 private:
  LineParser json_{JsonStage{}}, logfmt_{LogfmtStage{}};
};

struct Found {
  std::vector<std::string> parsers;
  Path json_path;
  std::unordered_set<std::string> values;
  std::string last;  // Loki decides the type anew at each entry
};

class FieldTable {
 public:
  explicit FieldTable(uint32_t limit) : limit_(limit) {}

  // nullptr: there are `limit` others.
  Found* at(const std::string& name) {
    auto known = fields_.find(name);
    if (known == fields_.end() && fields_.size() < limit_) known = fields_.try_emplace(name).first;
    return known == fields_.end() ? nullptr : &known->second;
  }
  Found* add(const std::string& name, const std::string& value) {
    Found* found = at(name);
    if (found == nullptr) return nullptr;
    found->values.insert(value);
    found->last = value;
    return found;
  }
  const std::map<std::string, Found>& fields() const { return fields_; }

 private:
  const uint32_t limit_;
  std::map<std::string, Found> fields_;
};

void note_parser(Found& found, std::string_view parser, const std::string& name, std::string_view line) {
  if (parser.empty()) return;
  if (std::find(found.parsers.begin(), found.parsers.end(), parser) == found.parsers.end())
    found.parsers.emplace_back(parser);
  if (parser == "json" && found.json_path.empty()) found.json_path = json_path(line, name);
}

void append_texts(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (const std::string& text : texts) {
    if (&text != texts.data()) out += ',';
    append_json_text(out, text);
  }
  out += ']';
}

}  // namespace

std::string_view field_type(std::string_view value) {
  if (pipeline::parse_go_integer(value, 10)) return "int";
  if (parse_go_float(value)) return "float";
  if (is_go_bool(value)) return "boolean";
  if (parse_go_duration(value)) return "duration";
  if (parse_human_bytes(value)) return "bytes";
  return "string";
}

std::vector<DetectedField> detect_fields(const ResultStreams& streams, uint32_t limit) {
  FieldTable table(limit);
  FieldParser parser;
  for (const ResultStream* stream : in_text_order(streams)) {
    parser.begin_stream(stream->labels);
    for (const ResultEntry& entry : stream->entries) {
      for (const auto& [name, value] : entry.structured_metadata) table.add(name, value);
      std::vector<std::pair<Found*, std::string>> parsed;
      std::string_view by = parser.parse(entry, [&](const std::string& name, const std::string& value) {
        if (Found* found = table.add(name, value)) parsed.emplace_back(found, name);
      });
      for (const auto& [found, name] : parsed) note_parser(*found, by, name, entry.line);
    }
  }
  std::vector<DetectedField> out;
  for (const auto& [name, found] : table.fields())
    out.push_back({name, field_type(found.last), found.values.size(), found.parsers, found.json_path});
  return out;
}

std::vector<std::string> detect_field_values(const ResultStreams& streams, std::string_view name, uint32_t limit) {
  std::set<std::string> values;
  FieldParser parser;
  auto take = [&](const std::string& label, const std::string& value) {
    if (label == name) values.insert(value);
  };
  for (const ResultStream* stream : in_text_order(streams)) {
    parser.begin_stream(stream->labels);
    for (const ResultEntry& entry : stream->entries) {
      if (values.size() >= limit) break;
      for (const auto& [label, value] : entry.structured_metadata) take(label, value);
      parser.parse(entry, take);
    }
  }
  return {values.begin(), values.end()};
}

std::string detected_fields_answer(const std::vector<DetectedField>& fields, uint32_t limit) {
  if (fields.empty()) return "{}\n";
  std::string out = R"({"fields":[)";
  for (const DetectedField& field : fields) {
    out += &field == fields.data() ? "{\"label\":" : ",{\"label\":";
    append_json_text(out, field.label);
    out += pipeline::concat(",\"type\":\"", field.type, "\",\"cardinality\":", field.cardinality, ",\"parsers\":");
    if (field.parsers.empty()) {
      out += "null";
    } else {
      append_texts(out, field.parsers);
    }
    if (!field.json_path.empty()) out += ",\"jsonPath\":", append_texts(out, field.json_path);
    out += '}';
  }
  return out += pipeline::concat("],\"limit\":", limit, "}\n");
}

std::string detected_values_answer(const std::vector<std::string>& values, uint32_t limit) {
  if (values.empty()) return "{}\n";
  std::string out = R"({"values":)";
  append_texts(out, values);
  return out += pipeline::concat(",\"limit\":", limit, "}\n");
}

}  // namespace server
