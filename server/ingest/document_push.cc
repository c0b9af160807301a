#include "server/ingest/document_push.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "pipeline/base/concat.h"
#include "pipeline/base/text_encoding.h"
#include "pipeline/base/time_format.h"
#include "pipeline/codec/otlp_entries.h"
#include "pipeline/model/label_set.h"
#include "pipeline/parse/json.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::JsonKind;
using pipeline::JsonMember;
using pipeline::JsonValue;
using pipeline::Metadata;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr int kMaxNesting = 20;  // deeper objects are kept as JSON

struct Field {
  std::string name;  // joined with dots
  JsonValue value;
};

std::string_view take_line(std::string_view& body) {
  size_t end = body.find('\n');
  std::string_view line = body.substr(0, end);
  body.remove_prefix(end == body.npos ? body.size() : end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

// A string's text, anything else as compact JSON.
Result<std::string> text_of(const JsonValue& value) {
  if (value.kind != JsonKind::kString) {
    std::string out;
    if (value.kind == JsonKind::kNumber) return std::string(value.raw);
    pipeline::append_compact_json(out, value);
    return out;
  }
  pipeline::Arena arena;
  auto text = pipeline::json_text(value, arena);
  if (!text) return fail(Errc::kInvalid, concat("malformed escape in \"", value.raw.substr(0, 40), "\""));
  return std::string(*text);
}

// The text of labels. One document with bytes that are no UTF-8 must not refuse the whole push.
std::string label_text(std::vector<pipeline::Label> labels) {
  pipeline::Arena arena;
  for (pipeline::Label& label : labels)
    label.second = std::string(pipeline::without_bad_characters(label.second, arena));
  std::erase_if(labels, [](const pipeline::Label& label) { return label.second.empty(); });
  return pipeline::LabelSet::from(std::move(labels)).text();
}

Result<void> flatten(const JsonValue& object, const std::string& prefix, int depth, std::vector<Field>& fields) {
  std::vector<JsonMember> members;
  pipeline::json_members(object, members);
  for (const JsonMember& member : members) {
    TRY_LET(std::string name, text_of(member.name));
    if (!prefix.empty()) name = concat(prefix, ".", name);
    if (member.value.kind == JsonKind::kObject && depth < kMaxNesting) {
      TRY(flatten(member.value, name, depth + 1, fields));
    } else if (member.value.kind != JsonKind::kNull) {
      fields.push_back({std::move(name), member.value});
    }
  }
  return {};
}

// A number since 1970: of seconds, milli-, micro- or nanoseconds, whichever is nearest to our days.
Result<UnixNanos> time_of_number(std::string_view digits) {
  int64_t whole = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  if (error == std::errc() && end == digits.data() + digits.size()) {
    const uint64_t size = whole < 0 ? 0 - static_cast<uint64_t>(whole) : static_cast<uint64_t>(whole);
    const int64_t unit = size < 9'000'000'000           ? 1'000'000'000
                         : size < 9'000'000'000'000     ? 1'000'000
                         : size < 9'000'000'000'000'000 ? 1000
                                                        : 1;
    return whole * unit;
  }
  double number = pipeline::json_number(digits);  // 1763748000.123 seconds
  if (!(std::fabs(number) < 9.2e9)) return fail(Errc::kInvalid, concat("\"", digits.substr(0, 40), "\" is no time"));
  return static_cast<UnixNanos>(number * 1e9);
}

Result<UnixNanos> time_of(const JsonValue& value) {
  if (value.kind == JsonKind::kNumber) return time_of_number(value.raw);
  if (value.kind != JsonKind::kString)
    return fail(Errc::kInvalid, concat("\"", value.raw.substr(0, 40), "\" is no time"));
  TRY_LET(std::string text, text_of(value));
  if (auto time = pipeline::parse_rfc3339(text)) return *time;
  if (auto time = pipeline::parse_rfc3339(text + "Z")) return *time;  // Elasticsearch: without a zone it is UTC
  if (!text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return time_of_number(text);
  return fail(Errc::kInvalid,
              concat("\"", std::string_view(text).substr(0, 40), "\" is no time; write it as 2026-11-21T18:00:00Z"));
}

const JsonValue* find(const std::vector<JsonMember>& members, std::string_view name) {
  for (const JsonMember& member : members) {
    if (pipeline::json_equals(member.name, name)) return &member.value;
  }
  return nullptr;
}

// The fields of an object of texts; values of other kinds as compact JSON.
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(const JsonValue& object) {
  std::vector<JsonMember> members;
  pipeline::json_members(object, members);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const JsonMember& member : members) {
    TRY_LET(std::string name, text_of(member.name));
    TRY_LET(std::string value, text_of(member.value));
    pairs.emplace_back(std::move(name), std::move(value));
  }
  return pairs;
}

}  // namespace

class DocumentReader {
 public:
  DocumentReader(const DocumentForm& form, UnixNanos now) : form_(form), now_(now) {}

  // The document in `text` becomes an entry of `outcome`, or is refused there.
  void add(std::string_view text, DocumentOutcome outcome) {
    auto added = read(text, outcome);
    if (!added) outcome.refuse(added.error().message);
    out_.outcomes_.push_back(std::move(outcome));
  }
  void refuse(DocumentOutcome outcome, std::string why) {
    outcome.refuse(std::move(why));
    out_.outcomes_.push_back(std::move(outcome));
  }
  DecodedDocuments take() {
    out_.finish();
    return std::move(out_);
  }

 private:
  Result<void> read(std::string_view text, const DocumentOutcome& outcome) {
    std::vector<JsonMember> members;
    auto document = pipeline::check_json(text, &members);
    if (!document || document->kind != JsonKind::kObject)
      return fail(Errc::kInvalid, concat("not a JSON object: ", text.substr(0, 80)));
    const JsonValue* labels = find(members, "labels");
    const JsonValue* line = find(members, "line");
    const JsonValue* encoded = find(members, "line_b64");
    if (labels && labels->kind == JsonKind::kObject && (line || encoded))
      return read_own(members, *labels, line, encoded);
    return read_any(text, *document, outcome);
  }

  Result<void> read_own(const std::vector<JsonMember>& members, const JsonValue& labels, const JsonValue* line,
                        const JsonValue* encoded) {
    DecodedDocuments::Entry entry = new_entry();
    if (const JsonValue* time = find(members, "timestamp")) { TRY_LET(entry.time, time_of(*time)); }
    TRY_LET(entry.line, text_of(line ? *line : *encoded));
    if (!line) { TRY_LET(entry.line, pipeline::decode_base64(entry.line)); }
    const JsonValue* metadata = find(members, "structured_metadata");
    if (metadata && metadata->kind == JsonKind::kObject) { TRY_LET(entry.metadata, pairs_of(*metadata)); }
    TRY_LET(auto pairs, pairs_of(labels));
    std::string text = label_text({pairs.begin(), pairs.end()});
    TRY(pipeline::LabelSet::parse(text));  // a bad name refuses this document, not the push
    out_.streams_[std::move(text)].push_back(std::move(entry));
    return {};
  }

  Result<void> read_any(std::string_view text, const JsonValue& document, const DocumentOutcome& outcome) {
    std::vector<Field> fields;
    TRY(flatten(document, "", 0, fields));
    auto take = [&](const std::vector<std::string>& names) -> std::optional<JsonValue> {
      for (const std::string& name : names) {
        auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
        if (found == fields.end()) continue;
        JsonValue value = found->value;
        fields.erase(found);
        return value;
      }
      return std::nullopt;
    };
    DecodedDocuments::Entry entry = new_entry();
    if (auto time = take(form_.time_fields)) { TRY_LET(entry.time, time_of(*time)); }
    auto line = take(form_.line_fields);
    if (line) {
      TRY_LET(entry.line, text_of(*line));
    } else {
      entry.line = text;
    }
    std::vector<pipeline::Label> labels;
    if (!outcome.index.empty()) labels.emplace_back("index", outcome.index);
    for (const Field& field : fields) {
      TRY_LET(std::string value, text_of(field.value));
      TRY_LET(std::string name, pipeline::otlp_label_name(field.name));
      const auto& streams = form_.stream_fields;
      if (std::find(streams.begin(), streams.end(), field.name) != streams.end()) {
        labels.emplace_back(std::move(name), std::move(value));
      } else if (line) {  // else the line has them all
        entry.metadata.emplace_back(std::move(name), std::move(value));
      }
    }
    out_.streams_[label_text(std::move(labels))].push_back(std::move(entry));
    return {};
  }

  DecodedDocuments::Entry new_entry() const { return {out_.outcomes_.size(), now_, {}, {}}; }

  const DocumentForm& form_;
  const UnixNanos now_;
  DecodedDocuments out_;
};

void DecodedDocuments::finish() {
  for (const auto& [labels, entries] : streams_) {
    for (const Entry& entry : entries) told_order_.push_back(entry.outcome);
  }
}

void DecodedDocuments::tell(pipeline::PushVisitor& visitor) const {
  std::vector<Metadata> metadata;
  for (const auto& [labels, entries] : streams_) {
    visitor.on_stream(labels, entries.size());
    for (const Entry& entry : entries) {
      metadata.clear();
      for (const auto& [name, value] : entry.metadata) {
        if (!value.empty()) metadata.push_back({name, value});
      }
      visitor.on_entry(entry.time, entry.line, metadata);
    }
  }
}

Result<DecodedDocuments> read_json_lines(std::string_view body, const DocumentForm& form, UnixNanos now) {
  DocumentReader reader(form, now);
  for (uint64_t number = 1; !body.empty(); ++number) {
    std::string_view line = take_line(body);
    if (line.empty()) continue;
    DocumentOutcome outcome;
    outcome.line = number;
    reader.add(line, std::move(outcome));
  }
  return reader.take();
}

Result<DecodedDocuments> read_bulk(std::string_view body, const DocumentForm& form, UnixNanos now) {
  DocumentReader reader(form, now);
  for (uint64_t number = 1; !body.empty(); ++number) {
    std::string_view line = take_line(body);
    if (line.empty()) continue;
    auto malformed = [&] {
      return fail(Errc::kInvalid, concat("Malformed action/metadata line [", number,
                                         "], expected a JSON object with one of create, index, update, delete"));
    };
    std::vector<JsonMember> members;
    auto action = pipeline::check_json(line, &members);
    if (!action || members.size() != 1 || members[0].value.kind != JsonKind::kObject) return malformed();
    DocumentOutcome outcome;
    outcome.line = number;
    outcome.action = members[0].name.raw;
    outcome.index = form.index;
    outcome.id = concat(now, "-", number);
    std::vector<JsonMember> parameters;
    pipeline::json_members(members[0].value, parameters);
    for (auto [name, to] : {std::pair{"_index", &outcome.index}, {"_id", &outcome.id}}) {
      const JsonValue* value = find(parameters, name);
      if (!value || value->kind != JsonKind::kString) continue;
      TRY_LET(*to, text_of(*value));
    }
    if (outcome.action == "delete") {
      reader.refuse(std::move(outcome), "log entries cannot be deleted: use create");
      continue;
    }
    if (outcome.action != "create" && outcome.action != "index" && outcome.action != "update") return malformed();
    ++number;
    std::string_view document = take_line(body);
    if (outcome.action == "update") {
      reader.refuse(std::move(outcome), "log entries cannot be updated: use create");
    } else {
      reader.add(document, std::move(outcome));
    }
  }
  return reader.take();
}

std::string bulk_answer(const std::vector<DocumentOutcome>& outcomes) {
  std::string items;
  bool errors = false;
  for (const DocumentOutcome& one : outcomes) {
    items += items.empty() ? "{" : ",{";
    pipeline::append_compact_text(items, one.action);
    items += R"(:{"_index":)";
    pipeline::append_compact_text(items, one.index);
    items += R"(,"_id":)";
    pipeline::append_compact_text(items, one.id);
    items += concat(R"(,"status":)", one.status);
    if (one.status == 201) {
      items += R"(,"result":"created","_version":1}})";
      continue;
    }
    errors = true;
    items +=
        concat(R"(,"error":{"type":")",
               one.status == 429 ? "es_rejected_execution_exception" : "document_parsing_exception", R"(","reason":)");
    pipeline::append_compact_text(items, one.text);
    items += "}}}";
  }
  return concat(R"({"took":0,"errors":)", errors ? "true" : "false", R"(,"items":[)", items, "]}");
}

}  // namespace server
