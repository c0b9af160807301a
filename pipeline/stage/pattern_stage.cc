// The stage `pattern` (agent.md 5.7, 11.11): captures of a LogQL pattern such as `<ip> - <_> "<method> <path> <_>"`.
#include <utility>
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/pattern.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct PatternMemory final : StageMemory {
  std::vector<std::string_view> values;
  std::vector<FieldColumn*> columns;
};

class PatternStage final : public Stage {
 public:
  PatternStage(PatternParser pattern, std::string source, bool sets_labels)
      : pattern_(std::move(pattern)), source_(std::move(source)), sets_labels_(sets_labels) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<PatternMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!source_.empty()) reads.names.insert(source_);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<PatternMemory&>(stage_memory);
    const std::vector<std::string>& names = pattern_.names();
    for (const std::string& name : names) batch.field(name);
    memory.columns.clear();
    for (const std::string& name : names) memory.columns.push_back(&batch.field(name));
    memory.values.resize(names.size());
    SourceReader source(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto text = source.at(batch, i);
      if (!text) continue;
      const size_t found = pattern_.parse(*text, memory.values);
      for (size_t k = 0; k < found; ++k) {
        memory.columns[k]->values[i] = text_field(memory.values[k]);
        if (!sets_labels_ || !is_valid_utf8(memory.values[k])) continue;
        batch.labels[i] = batch.label_sets->with(batch.labels[i], names[k], memory.values[k]);
      }
    }
  }

 private:
  const PatternParser pattern_;
  const std::string source_;
  const bool sets_labels_;
};

constexpr StageArgument kArguments[] = {
    {"pattern", ArgumentType::kText, "", true,
     "texts and captures in turn: <name> extracts a value, <_> skips; the last capture takes the rest of the line"},
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line"},
    {"labels_from_groups", ArgumentType::kBoolean, "false", false, "also set a label for each capture"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.text("pattern").empty()) return fail(Errc::kInvalid, "pattern is required");
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  auto pattern = PatternParser::compile(arguments.text("pattern"));
  if (!pattern) return fail(pattern.error().within("failed to parse pattern"));
  return std::make_unique<PatternStage>(*std::move(pattern), arguments.text("source"),
                                        arguments.boolean("labels_from_groups"));
}

}  // namespace

const StageKind kPatternStage = {"pattern", "extracts the captures of a pattern", kArguments, build};

}  // namespace pipeline
