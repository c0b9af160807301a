// The stage `sampling` (agent.md 5.15): keeps a part of the entries, each decided by chance.
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "pipeline/base/hash.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct SamplingMemory final : StageMemory {
  explicit SamplingMemory(StageUse used) : use(used) {}
  const StageUse use;
  std::vector<uint8_t> keep;
};

// The chance of an entry: from its place and read time, so that no state is needed and tests repeat. In [0, 1).
double chance_of(const Batch& batch, size_t row) {
  const ByteRange& origin = batch.origins[batch.origin_begin[row]];
  std::array<char, 16> bytes;
  std::memcpy(bytes.data(), &origin.begin, 8);
  std::memcpy(bytes.data() + 8, &origin.read_time, 8);
  const uint64_t hash = hash64({bytes.data(), bytes.size()}, row);
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

class SamplingStage final : public Stage {
 public:
  SamplingStage(double rate, std::string reason) : rate_(rate), reason_(std::move(reason)) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override {
    return std::make_unique<SamplingMemory>(use);
  }
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<SamplingMemory&>(stage_memory);
    if (memory.use == StageUse::kRebuild || rate_ >= 1) return;
    memory.keep.assign(batch.size(), 1);
    uint64_t lines = 0, bytes = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || chance_of(batch, i) < rate_) continue;
      memory.keep[i] = 0;
      ++lines, bytes += batch.lines[i].size();
    }
    if (lines == 0) return;
    drops.add(reason_, lines, bytes);
    batch.retain(memory.keep);
  }

 private:
  const double rate_;
  const std::string reason_;
};

constexpr StageArgument kArguments[] = {
    {"rate", ArgumentType::kNumber, "", true, "the part that is kept, from 0.0 (none) to 1.0 (all)"},
    {"drop_counter_reason", ArgumentType::kText, "sampling_stage", false, "the reason under which drops are counted"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  const double rate = arguments.number("rate");
  if (!(rate >= 0 && rate <= 1)) {
    char text[40];
    std::snprintf(text, sizeof text, "%f", rate);
    return fail(
        Errc::kInvalid,
        concat("sampling stage failed to parse rate,Sampling Rate must be between 0.0 and 1.0, received ", text));
  }
  const std::string& reason = arguments.text("drop_counter_reason");
  return std::make_unique<SamplingStage>(rate, reason.empty() ? "sampling_stage" : reason);
}

}  // namespace

const StageKind kSamplingStage = {"sampling", "keeps a part of the entries, by chance", kArguments, build};

}  // namespace pipeline
