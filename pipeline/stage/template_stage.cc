// The stage `template` (agent.md 5.9): a Go template makes or changes an extracted value.
#include <utility>

#include "pipeline/parse/go_format.h"
#include "pipeline/stage/stage_kinds.h"
#include "pipeline/stage/template_data.h"

namespace pipeline {

namespace {

struct TemplateMemoryOfStage final : StageMemory {
  explicit TemplateMemoryOfStage(const GoTemplate& compiled) : data(compiled) {}
  TemplateData data;
};

class TemplateStage final : public Stage {
 public:
  TemplateStage(GoTemplate compiled, std::string source) : template_(std::move(compiled)), source_(std::move(source)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override {
    return std::make_unique<TemplateMemoryOfStage>(template_);
  }
  void add_reads(FieldNames& reads) const override {
    reads.names.insert(source_);
    TemplateData::add_reads(template_, reads);
  }

  // An error leaves the value as it is; an empty text removes it.
  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    TemplateData& data = static_cast<TemplateMemoryOfStage&>(stage_memory).data;
    FieldColumn& column = batch.field(source_);
    FieldReader source(batch, source_);
    data.begin(batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      auto value = field_text(source.at(i), batch.arena);
      if (!data.run(i, value, batch.lines[i])) continue;
      if (data.text().empty()) {
        column.values[i] = {.kind = FieldValue::Kind::kRemoved, .text = {}};
      } else {
        column.values[i] = text_field(batch.arena.copy(data.text()));
      }
    }
  }

 private:
  const GoTemplate template_;
  const std::string source_;
};

constexpr StageArgument kArguments[] = {
    {"source", ArgumentType::kText, "", true, "extracted value to make; .Value is what it was"},
    {"template", ArgumentType::kText, "", true,
     "Go template over the extracted values, for example {{ .level | ToUpper }}; .Entry is the line"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.text("source").empty()) return fail(Errc::kInvalid, "template source value is required");
  const std::string& text = arguments.text("template");
  auto compiled = GoTemplate::parse("pipeline_template", text, TemplateFunctions::kStage);
  if (!compiled) {
    std::string quoted;
    append_go_quoted(quoted, text);
    return fail(Errc::kInvalid, concat(quoted, " ", compiled.error().message));
  }
  return std::make_unique<TemplateStage>(*std::move(compiled), arguments.text("source"));
}

}  // namespace

const StageKind kTemplateStage = {"template", "makes an extracted value with a Go template", kArguments, build};

}  // namespace pipeline
