// The stage `json` (agent.md 5.4, 11.1): values of a JSON line by JMESPath expressions or by the names of its keys.
#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/parse/jmespath.h"
#include "pipeline/parse/json.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/json_field.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct Extraction {
  std::string name;
  JmesPath path;
  size_t top = 0;  // of the path's first key, in JsonOptions::tops
};

struct JsonOptions {
  std::vector<Extraction> extractions;
  std::vector<std::string> tops;  // the first keys of paths, each once
  std::optional<Regex> keys;      // also every top-level key that it finds
  std::string source;             // "": the line
  bool drop_malformed = false;
};

struct JsonMemory final : StageMemory {
  std::vector<JsonMember> members;  // of the object, where keys are chosen by an expression
  std::vector<JsonValue> tops;      // what stands under JsonOptions::tops
  std::vector<uint8_t> keep;
  std::vector<FieldColumn*> columns;
  TemplateMemory values;  // of documents that more than paths are looked up in
};

constexpr size_t kValueBytes = 8 << 20, kValueBytesPerByte = 64;  // of the values of one document

class JsonStage final : public Stage {
 public:
  explicit JsonStage(JsonOptions options)
      : options_(std::move(options)),
        has_expressions_(std::any_of(options_.extractions.begin(), options_.extractions.end(),
                                     [](const Extraction& extraction) { return !extraction.path.is_path(); })) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<JsonMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!options_.source.empty()) reads.names.insert(options_.source);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<JsonMemory&>(stage_memory);
    memory.keep.clear();
    for (const Extraction& extraction : options_.extractions) batch.field(extraction.name);
    memory.columns.clear();
    for (const Extraction& extraction : options_.extractions) memory.columns.push_back(&batch.field(extraction.name));
    FieldReader source(batch, options_.source);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      std::string_view text = batch.lines[i];
      if (!options_.source.empty()) {
        auto value = field_text(source.at(i), batch.arena);
        if (!value) continue;
        text = *value;
      }
      auto document = read(text, memory);
      if (!document || (document->kind != JsonKind::kObject && document->kind != JsonKind::kNull)) {
        if (!options_.drop_malformed) continue;
        if (memory.keep.empty()) memory.keep.assign(batch.size(), 1);
        memory.keep[i] = 0;
        drops.add("malformed_json", 1, batch.lines[i].size());
        continue;
      }
      extract(batch, i, *document, memory);
      if (options_.keys) {
        extract_keys(batch, i, memory);
        source = FieldReader(batch, options_.source);
      }
    }
    if (!memory.keep.empty()) batch.retain(memory.keep);
  }

 private:
  std::optional<JsonValue> read(std::string_view text, JsonMemory& memory) const {
    memory.tops.resize(options_.tops.size());
    if (!options_.keys) return pick_json(text, options_.tops, memory.tops);
    memory.members.clear();
    auto document = check_json(text, &memory.members);
    for (size_t k = 0; k < memory.tops.size(); ++k) {
      memory.tops[k] = JsonValue();
      for (const JsonMember& member : memory.members) {
        if (json_equals(member.name, options_.tops[k])) memory.tops[k] = member.value;
      }
    }
    return document;
  }

  void extract(Batch& batch, size_t row, const JsonValue& document, JsonMemory& memory) const {
    for (size_t k = 0; k < options_.extractions.size(); ++k) {
      const JmesPath& path = options_.extractions[k].path;
      if (!path.is_path()) continue;
      bool by_key = path.top_key() != nullptr;  // an object has no [0]
      JsonValue value = by_key ? path.search_below(memory.tops[options_.extractions[k].top]) : JsonValue();
      memory.columns[k]->values[row] = json_field(value, batch.arena);
    }
    if (has_expressions_) run_expressions(batch, row, document, memory);
  }

  // Those that are no paths. What fails leaves its value as it was.
  void run_expressions(Batch& batch, size_t row, const JsonValue& document, JsonMemory& memory) const {
    memory.values.clear(kValueBytes + document.raw.size() * kValueBytesPerByte);
    auto values = value_of_json(document, memory.values);
    if (!values) return;
    for (size_t k = 0; k < options_.extractions.size(); ++k) {
      if (options_.extractions[k].path.is_path()) continue;
      auto found = options_.extractions[k].path.run(*values, memory.values);
      if (found) memory.columns[k]->values[row] = json_field(*found, batch.arena);
    }
  }

  void extract_keys(Batch& batch, size_t row, JsonMemory& memory) const {
    for (const JsonMember& member : memory.members) {
      std::string_view name = json_text(member.name, batch.arena).value_or("");
      if (options_.keys->partial_match(name)) batch.set_value(row, name, json_field(member.value, batch.arena));
    }
    // New columns may have moved the others.
    for (size_t k = 0; k < options_.extractions.size(); ++k) {
      memory.columns[k] = &batch.field(options_.extractions[k].name);
    }
  }

  const JsonOptions options_;
  const bool has_expressions_;
};

constexpr StageArgument kArguments[] = {
    {"expressions", ArgumentType::kTextMap, "", false, "name of the extracted value = JMESPath; \"\": the name itself"},
    {"regex", ArgumentType::kText, "", false, "also extract every top-level key in which this is found"},
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line"},
    {"drop_malformed", ArgumentType::kBoolean, "false", false, "drop entries that are not JSON"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  JsonOptions options;
  const auto& expressions = arguments.text_map("expressions");
  if (expressions.empty() && arguments.text("regex").empty()) {
    return fail(Errc::kInvalid, "JMES expressions or regex is required");
  }
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  for (const auto& [name, expression] : expressions) {
    TRY_LET(auto path, JmesPath::compile(expression.empty() ? name : expression));
    size_t top = 0;
    if (const std::string* key = path.is_path() ? path.top_key() : nullptr) {
      top = static_cast<size_t>(std::find(options.tops.begin(), options.tops.end(), *key) - options.tops.begin());
      if (top == options.tops.size()) options.tops.push_back(*key);
    }
    options.extractions.push_back({name, std::move(path), top});
  }
  if (!arguments.text("regex").empty()) { TRY_LET(options.keys, Regex::compile(arguments.text("regex"))); }
  options.source = arguments.text("source");
  options.drop_malformed = arguments.boolean("drop_malformed");
  return std::make_unique<JsonStage>(std::move(options));
}

}  // namespace

const StageKind kJsonStage = {"json", "extracts values of a JSON line", kArguments, build};

}  // namespace pipeline
