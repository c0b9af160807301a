// The stage `output` (agent.md 5.11): an extracted value becomes the line.
#include <utility>

#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

class OutputStage final : public Stage {
 public:
  explicit OutputStage(std::string source) : source_(std::move(source)) {}
  void add_reads(FieldNames& reads) const override { reads.names.insert(source_); }

  void process(Batch& batch, StageMemory&, DropCounts&) const override {
    FieldReader reader(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      if (auto text = field_text(reader.at(i), batch.arena)) batch.lines[i] = *text;
    }
  }

 private:
  const std::string source_;
};

constexpr StageArgument kArguments[] = {{"source", ArgumentType::kText, "", true, "extracted value"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.text("source").empty())
    return fail(Errc::kInvalid, "output source value is required if output is specified");
  return std::make_unique<OutputStage>(arguments.text("source"));
}

}  // namespace

const StageKind kOutputStage = {"output", "makes an extracted value the line", kArguments, build};

}  // namespace pipeline
