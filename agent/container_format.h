// ContainerFormatStage: takes the wrapping off lines of a container runtime, for `kubernetes` sources: CRI (containerd,
// CRI-O) or Docker's JSON, whichever the file's first line is in.
//
// A source whose own first stage is `cri` or `docker` does without it. Thread: of Stage.
#pragma once

#include <memory>

#include "pipeline/stage/stage.h"

namespace agent {

class ContainerFormatStage final : public pipeline::Stage {
 public:
  ContainerFormatStage();

  std::unique_ptr<pipeline::StageMemory> make_memory(pipeline::StageUse use) const override;
  void process(pipeline::Batch& batch, pipeline::StageMemory& memory, pipeline::DropCounts& drops) const override;
  void flush(pipeline::Batch& batch, pipeline::StageMemory& memory, pipeline::DropCounts& drops) const override;
  void add_reads(pipeline::FieldNames& reads) const override;
  void set_later_reads(const pipeline::FieldNames& later) override;

 private:
  struct Memory;
  std::unique_ptr<pipeline::Stage> cri_, docker_;
};

}  // namespace agent
