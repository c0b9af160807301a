// The stage `split_json` (agent.md 5.20): a line that is a JSON array becomes one entry for each element. They share
// the origin of the line.
#include <utility>
#include <vector>

#include "pipeline/parse/json.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct SplitMemory final : StageMemory {
  std::vector<JsonValue> elements;
  std::vector<uint32_t> counts;
  std::vector<std::string_view> lines;
};

// The element as it stands in the text.
std::string_view whole_text(const JsonValue& value) {
  if (value.kind != JsonKind::kString) return value.raw;
  return {value.raw.data() - 1, value.raw.size() + 2};
}

class SplitJsonStage final : public Stage {
 public:
  explicit SplitJsonStage(std::string source) : source_(std::move(source)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<SplitMemory>(); }
  void add_reads(FieldNames& reads) const override {
    if (!source_.empty()) reads.names.insert(source_);
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<SplitMemory&>(stage_memory);
    memory.counts.assign(batch.size(), 1);
    memory.lines.clear();
    bool any = false;
    SourceReader source(batch, source_);
    for (size_t i = 0; i < batch.size(); ++i) {
      auto text = batch.active(i) ? source.at(batch, i) : std::nullopt;
      if (!text || !split(*text, memory.elements)) {
        memory.lines.push_back(batch.lines[i]);
        continue;
      }
      any = true;
      memory.counts[i] = static_cast<uint32_t>(memory.elements.size());
      if (memory.elements.empty()) drops.add("split_json_empty", 1, batch.lines[i].size());
      for (const JsonValue& element : memory.elements) memory.lines.push_back(whole_text(element));
    }
    if (!any) return;
    batch.repeat(memory.counts);
    batch.lines = memory.lines;
  }

 private:
  static bool split(std::string_view text, std::vector<JsonValue>& elements) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos || text[begin] != '[') return false;
    auto array = check_json(text);
    if (!array) return false;
    elements.clear();
    json_elements(*array, elements);
    return true;
  }

  const std::string source_;
};

constexpr StageArgument kArguments[] = {
    {"source", ArgumentType::kText, "", false, "extracted value to read instead of the line"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  if (arguments.given("source") && arguments.text("source").empty()) return fail(Errc::kInvalid, "empty source");
  return std::make_unique<SplitJsonStage>(arguments.text("source"));
}

}  // namespace

const StageKind kSplitJsonStage = {"split_json", "makes an entry of each element of a JSON array", kArguments, build};

}  // namespace pipeline
