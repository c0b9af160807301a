// The one table of stages: their names and arguments, for building, checking and documenting alike.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/stage/stage.h"
#include "pipeline/stage/stage_arguments.h"

namespace pipeline {

struct StageKind {
  std::string_view name;
  std::string_view help;  // what it does, in a few words
  std::span<const StageArgument> arguments;
  Result<std::unique_ptr<Stage>> (*build)(const StageArguments& arguments);  // kInvalid: Alloy's text
};

std::span<const StageKind> stage_kinds();
// Builds the stage of one [[...stage]] table; faults go to its document and give null.
std::unique_ptr<Stage> build_stage(const ConfigTable& table);
// For the outermost [[...stage]] tables, after they were built: adds a fault to their document where a stage that holds
// entries until later lines stands behind split_json. Entries made of one line would go into different batches, of
// which only the first could be built again after a crash.
void check_stage_order(const std::vector<ConfigTable>& tables);

}  // namespace pipeline
