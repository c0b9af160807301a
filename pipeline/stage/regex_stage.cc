// The stage `regex` (agent.md 5.6): named groups of the first match become extracted values.
#include <utility>
#include <vector>

#include "pipeline/match/regex.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct RegexMemory final : StageMemory {
  std::vector<std::string_view> groups;
  std::vector<FieldColumn*> columns;  // by group; null for those without a name
};

class RegexStage final : public Stage {
 public:
  RegexStage(Regex regex, std::string source, bool sets_labels)
      : regex_(std::move(regex)), source_(std::move(source)), sets_labels_(sets_labels) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<RegexMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!source_.empty()) reads.names.insert(source_);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<RegexMemory&>(stage_memory);
    const std::vector<std::string>& names = regex_.group_names();
    memory.groups.resize(names.size());
    memory.columns.assign(names.size(), nullptr);
    for (const std::string& name : names) {
      if (!name.empty()) batch.field(name);
    }
    for (size_t g = 1; g < names.size(); ++g) {
      if (!names[g].empty()) memory.columns[g] = &batch.field(names[g]);
    }
    FieldReader source(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      std::string_view text = batch.lines[i];
      if (!source_.empty()) {
        auto value = field_text(source.at(i), batch.arena);
        if (!value) continue;
        text = *value;
      }
      if (!regex_.find(text, memory.groups)) continue;
      for (size_t g = 1; g < names.size(); ++g) {
        if (memory.columns[g] == nullptr) continue;
        memory.columns[g]->values[i] = text_field(memory.groups[g]);
        if (sets_labels_ && is_valid_utf8(memory.groups[g]))
          batch.labels[i] = batch.label_sets->with(batch.labels[i], names[g], memory.groups[g]);
      }
    }
  }

 private:
  const Regex regex_;
  const std::string source_;
  const bool sets_labels_;
};

constexpr StageArgument kArguments[] = {
    {"expression", ArgumentType::kText, "", true, "regular expression with named groups, (?P<name>...)"},
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line"},
    {"labels_from_groups", ArgumentType::kBoolean, "false", false, "also set a label for each named group"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const std::string& expression = arguments.text("expression");
  if (expression.empty()) return fail(Errc::kInvalid, "expression is required");
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  auto regex = Regex::compile(expression);
  if (!regex) return fail(regex.error().within("could not compile regular expression"));
  return std::make_unique<RegexStage>(*std::move(regex), arguments.text("source"),
                                      arguments.boolean("labels_from_groups"));
}

}  // namespace

const StageKind kRegexStage = {"regex", "extracts the named groups of a regular expression", kArguments, build};

}  // namespace pipeline
