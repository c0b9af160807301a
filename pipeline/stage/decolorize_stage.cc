// The stage `decolorize` (agent.md 5.11): removes ANSI colour sequences from the line.
#include "pipeline/parse/color_codes.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct DecolorizeMemory final : StageMemory {
  std::string plain;
};

class DecolorizeStage final : public Stage {
 public:
  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<DecolorizeMemory>(); }
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    std::string& plain = static_cast<DecolorizeMemory&>(stage_memory).plain;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || !has_color_codes(batch.lines[i])) continue;
      plain.clear();
      append_without_colors(plain, batch.lines[i]);
      batch.lines[i] = batch.arena.copy(plain);
    }
  }
};

Result<std::unique_ptr<Stage>> build(const StageArguments&) { return std::make_unique<DecolorizeStage>(); }

}  // namespace

const StageKind kDecolorizeStage = {"decolorize", "removes ANSI colour sequences from the line", {}, build};

}  // namespace pipeline
