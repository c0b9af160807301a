#include "agent/container_format.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/stage_table.h"

namespace agent {

using pipeline::Batch;
using pipeline::DropCounts;
using pipeline::FieldNames;
using pipeline::Stage;
using pipeline::StageMemory;

namespace {
std::unique_ptr<Stage> stage_named(std::string_view name) {
  auto document = pipeline::ConfigDocument::parse(pipeline::concat("type = \"", name, "\""), "built in");
  INVARIANT(document);
  auto stage = pipeline::build_stage(document->root());
  INVARIANT(stage && document->errors().empty());
  return stage;
}
}  // namespace

struct ContainerFormatStage::Memory final : StageMemory {
  const pipeline::StageUse use;
  const Stage* format = nullptr;  // null: no line was seen yet
  std::unique_ptr<StageMemory> of_format;

  explicit Memory(pipeline::StageUse used) : use(used) {}
  std::optional<uint64_t> open_from() const override { return of_format ? of_format->open_from() : std::nullopt; }
  void move_back(uint64_t bytes) override {
    if (of_format) of_format->move_back(bytes);
  }
};

ContainerFormatStage::ContainerFormatStage() : cri_(stage_named("cri")), docker_(stage_named("docker")) {}

std::unique_ptr<StageMemory> ContainerFormatStage::make_memory(pipeline::StageUse use) const {
  return std::make_unique<Memory>(use);
}

void ContainerFormatStage::process(Batch& batch, StageMemory& memory, DropCounts& drops) const {
  auto& m = static_cast<Memory&>(memory);
  if (!m.format) {
    if (batch.empty()) return;
    m.format = batch.lines[0].starts_with('{') ? docker_.get() : cri_.get();
    m.of_format = m.format->make_memory(m.use);
  }
  m.format->process(batch, *m.of_format, drops);
}

void ContainerFormatStage::flush(Batch& batch, StageMemory& memory, DropCounts& drops) const {
  auto& m = static_cast<Memory&>(memory);
  if (m.format) m.format->flush(batch, *m.of_format, drops);
}

void ContainerFormatStage::add_reads(FieldNames& reads) const {
  cri_->add_reads(reads);
  docker_->add_reads(reads);
}

void ContainerFormatStage::set_later_reads(const FieldNames& later) {
  cri_->set_later_reads(later);
  docker_->set_later_reads(later);
}

}  // namespace agent
