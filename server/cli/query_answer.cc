#include "server/cli/query_answer.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "pipeline/base/concat.h"
#include "pipeline/parse/json.h"

namespace server {
namespace {

using pipeline::Arena;
using pipeline::Errc;
using pipeline::fail;
using pipeline::JsonKind;
using pipeline::JsonMember;
using pipeline::JsonValue;
using pipeline::LabelSet;
using pipeline::Result;

auto corrupt(std::string_view what) {
  return fail(Errc::kCorrupt, pipeline::concat("the server's answer is not Loki's: ", what, "; check --addr"));
}

// Reads values out of one document that was checked as a whole before; an arena holds what had to be decoded.
class Reader {
 public:
  Result<JsonValue> open(std::string_view json) {
    const auto root = pipeline::check_json(json);
    if (!root || root->kind != JsonKind::kObject) return corrupt("no JSON object");
    return *root;
  }
  Result<JsonValue> open_list(std::string_view json) {
    const auto root = pipeline::check_json(json);
    if (!root || root->kind != JsonKind::kArray) return corrupt("no JSON list");
    return *root;
  }
  std::vector<JsonMember> members(const JsonValue& object) {
    std::vector<JsonMember> out;
    if (object.kind == JsonKind::kObject) pipeline::json_members(object, out);
    return out;
  }
  std::vector<JsonValue> elements(const JsonValue& array) {
    std::vector<JsonValue> out;
    if (array.kind == JsonKind::kArray) pipeline::json_elements(array, out);
    return out;
  }
  std::optional<JsonValue> find(const JsonValue& object, std::string_view name) {
    for (const JsonMember& member : members(object)) {
      if (text(member.name) == name) return member.value;
    }
    return std::nullopt;
  }
  // The view lives until clear().
  std::string_view text(const JsonValue& value) {
    if (value.kind != JsonKind::kString) return value.raw;
    return pipeline::json_text(value, arena_).value_or(std::string_view{});
  }
  std::vector<pipeline::Label> labels(const JsonValue& object) {
    std::vector<pipeline::Label> out;
    for (const JsonMember& member : members(object)) out.emplace_back(text(member.name), text(member.value));
    return out;
  }
  void clear() { arena_.clear(); }

 private:
  Arena arena_;
};

std::optional<pipeline::UnixNanos> nanoseconds(std::string_view text) {
  pipeline::UnixNanos out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// "1700000000.123": whole milliseconds, so a double is exact enough.
std::optional<pipeline::UnixNanos> seconds(std::string_view text) {
  double out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || std::abs(out) > 9e9) return std::nullopt;
  return static_cast<pipeline::UnixNanos>(std::llround(out * 1000)) * 1'000'000;
}

Result<void> read_entry(Reader& reader, const JsonValue& value, const LabelSet& labels, QueryAnswer& answer) {
  const auto parts = reader.elements(value);
  if (parts.size() < 2) return corrupt("an entry without time or line");
  const auto time = nanoseconds(reader.text(parts[0]));
  if (!time) return corrupt("an entry's time is no number");
  AnsweredEntry& entry = answer.entries.emplace_back();
  entry.time = *time;
  entry.labels = labels;
  entry.line = reader.text(parts[1]);
  if (parts.size() > 2) {
    if (auto metadata = reader.find(parts[2], "structuredMetadata")) entry.metadata = reader.labels(*metadata);
    if (auto parsed = reader.find(parts[2], "parsed")) entry.parsed = reader.labels(*parsed);
  }
  reader.clear();
  return {};
}

Result<void> read_stream(Reader& reader, const JsonValue& value, QueryAnswer& answer) {
  LabelSet labels;
  std::optional<JsonValue> values;
  for (const JsonMember& member : reader.members(value)) {
    const std::string_view name = reader.text(member.name);
    if (name == "stream") labels = LabelSet::from(reader.labels(member.value));
    if (name == "values") values = member.value;
  }
  if (!values) return corrupt("a stream without values");
  for (const JsonValue& entry : reader.elements(*values)) TRY(read_entry(reader, entry, labels, answer));
  return {};
}

Result<void> read_sample(Reader& reader, const JsonValue& value, const LabelSet& labels, QueryAnswer& answer) {
  const auto parts = reader.elements(value);
  if (parts.size() != 2) return corrupt("a sample without time or value");
  const auto time = seconds(reader.text(parts[0]));
  if (!time) return corrupt("a sample's time is no number");
  answer.samples.push_back({*time, labels, std::string(reader.text(parts[1]))});
  reader.clear();
  return {};
}

Result<void> read_series(Reader& reader, const JsonValue& value, QueryAnswer& answer) {
  LabelSet labels;
  std::vector<JsonValue> samples;
  for (const JsonMember& member : reader.members(value)) {
    const std::string_view name = reader.text(member.name);
    if (name == "metric") labels = LabelSet::from(reader.labels(member.value));
    if (name == "values") samples = reader.elements(member.value);
    if (name == "value") samples = {member.value};
  }
  for (const JsonValue& sample : samples) TRY(read_sample(reader, sample, labels, answer));
  return {};
}

void flatten_stats(Reader& reader, const JsonValue& object, const std::string& prefix, QueryAnswer& answer) {
  for (const JsonMember& member : reader.members(object)) {
    const std::string name = prefix + std::string(reader.text(member.name));
    if (member.value.kind == JsonKind::kObject) {
      flatten_stats(reader, member.value, name + ".", answer);
    } else {
      answer.stats.emplace_back(name, reader.text(member.value));
    }
  }
}

}  // namespace

Result<QueryAnswer> parse_query_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  QueryAnswer answer;
  const auto data = reader.find(root, "data");
  if (!data) return corrupt("no data");
  if (auto type = reader.find(*data, "resultType")) answer.type = reader.text(*type);
  if (auto warnings = reader.find(root, "warnings")) {
    for (const JsonValue& warning : reader.elements(*warnings)) answer.warnings.emplace_back(reader.text(warning));
  }
  if (auto stats = reader.find(*data, "stats")) flatten_stats(reader, *stats, "", answer);
  const auto result = reader.find(*data, "result");
  if (!result) return corrupt("no result");
  if (answer.type == "scalar") {
    TRY(read_sample(reader, *result, {}, answer));
    return answer;
  }
  for (const JsonValue& one : reader.elements(*result)) {
    if (answer.type == "streams") {
      TRY(read_stream(reader, one, answer));
    } else if (answer.type == "matrix" || answer.type == "vector") {
      TRY(read_series(reader, one, answer));
    } else {
      return corrupt(pipeline::concat("unknown result type ", answer.type));
    }
  }
  return answer;
}

Result<std::vector<std::string>> parse_names_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  std::vector<std::string> out;
  if (auto data = reader.find(root, "data")) {  // absent when there are none
    for (const JsonValue& name : reader.elements(*data)) out.emplace_back(reader.text(name));
  }
  return out;
}

Result<std::vector<LabelSet>> parse_series_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  std::vector<LabelSet> out;
  if (auto data = reader.find(root, "data")) {
    for (const JsonValue& series : reader.elements(*data)) out.push_back(LabelSet::from(reader.labels(series)));
  }
  return out;
}

Result<TailAnswer> parse_tail_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  QueryAnswer answer;
  TailAnswer out;
  for (const JsonMember& member : reader.members(root)) {
    const std::string_view name = reader.text(member.name);
    if (name == "streams") {
      for (const JsonValue& stream : reader.elements(member.value)) TRY(read_stream(reader, stream, answer));
    } else if (name == "dropped_entries") {
      out.dropped = reader.elements(member.value).size();
    }
  }
  out.entries = std::move(answer.entries);
  return out;
}

Result<std::vector<AnsweredField>> parse_fields_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  std::vector<AnsweredField> out;
  const auto fields = reader.find(root, "fields");
  if (!fields) return out;
  for (const JsonValue& field : reader.elements(*fields)) {
    AnsweredField& one = out.emplace_back();
    if (auto value = reader.find(field, "label")) one.name = reader.text(*value);
    if (auto value = reader.find(field, "type")) one.type = reader.text(*value);
    if (auto value = reader.find(field, "cardinality")) one.cardinality = reader.text(*value);
    if (auto value = reader.find(field, "parsers")) {
      for (const JsonValue& parser : reader.elements(*value)) one.parsers.emplace_back(reader.text(parser));
    }
  }
  return out;
}

Result<std::vector<std::string>> parse_list_answer(std::string_view json, std::string_view member) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  std::vector<std::string> out;
  if (auto list = reader.find(root, member)) {
    for (const JsonValue& text : reader.elements(*list)) out.emplace_back(reader.text(text));
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_numbers_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue root, reader.open(json));
  std::vector<std::pair<std::string, std::string>> out;
  for (const JsonMember& member : reader.members(root))
    out.emplace_back(reader.text(member.name), reader.text(member.value));
  return out;
}

Result<std::vector<AnsweredDelete>> parse_deletes_answer(std::string_view json) {
  Reader reader;
  TRY_LET(const JsonValue list, reader.open_list(json));
  std::vector<AnsweredDelete> requests;
  for (const JsonValue& element : reader.elements(list)) {
    if (element.kind != JsonKind::kObject) return corrupt("a request to delete is no object");
    AnsweredDelete request;
    for (const JsonMember& member : reader.members(element)) {
      const std::string name(reader.text(member.name));
      const std::string_view value = reader.text(member.value);
      if (name == "request_id") request.id = value;
      if (name == "query") request.query = value;
      if (name == "status") request.status = value;
      if (name == "start_time") request.start = seconds(value).value_or(0);
      if (name == "end_time") request.end = seconds(value).value_or(0);
      if (name == "created_at") request.created = seconds(value).value_or(0);
    }
    requests.push_back(std::move(request));
    reader.clear();
  }
  return requests;
}

}  // namespace server
