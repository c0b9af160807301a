// The stage `docker` (agent.md 5.3): lines of Docker's json-file driver.
#include "pipeline/parse/cri.h"
#include "pipeline/parse/docker.h"
#include "pipeline/stage/field_reader.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

struct DockerMemory final : StageMemory {
  Rfc3339Parser time_parser;
  DockerParser parser;
};

class DockerStage final : public Stage {
 public:
  std::unique_ptr<StageMemory> make_memory(StageUse) const override { return std::make_unique<DockerMemory>(); }
  void add_reads(FieldNames&) const override {}
  void set_later_reads(const FieldNames& later) override {
    output_wanted_ = later.has("output"), stream_wanted_ = later.has("stream"), time_wanted_ = later.has("timestamp");
  }

  void process(Batch& batch, StageMemory& stage_memory, DropCounts&) const override {
    auto& memory = static_cast<DockerMemory&>(stage_memory);
    DockerLine line;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || !memory.parser.parse(batch.lines[i], batch.arena, line)) continue;
      batch.labels[i] = batch.label_sets->with(batch.labels[i], "stream", line.stream);
      memory.time_parser.parse(line.time, batch.times[i]);
      batch.lines[i] = line.log;
      if (output_wanted_) batch.field("output").values[i] = text_field(line.log);
      if (stream_wanted_) batch.field("stream").values[i] = text_field(line.stream);
      if (time_wanted_) batch.field("timestamp").values[i] = text_field(line.time);
    }
  }

 private:
  bool output_wanted_ = false, stream_wanted_ = false, time_wanted_ = false;
};

Result<std::unique_ptr<Stage>> build(const StageArguments&) { return std::make_unique<DockerStage>(); }

}  // namespace

const StageKind kDockerStage = {"docker", "reads lines of Docker's json-file driver", {}, build};

}  // namespace pipeline
