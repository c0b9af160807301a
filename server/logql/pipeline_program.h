// The inside of LogPipeline: the ops in the order in which they run.
#pragma once

#include <optional>
#include <vector>

#include "server/logql/implied_text.h"
#include "server/logql/needed_labels.h"
#include "server/logql/pipeline_ops.h"

namespace server {

struct LogPipeline::Program {
  Program(const LabelDemand& demand, LabelUse label_use)
      : needed(demand, label_use), deciding(NeededLabels::to_decide(demand)), use(std::move(label_use)) {}

  // All labels are needed of entries that are kept, few to decide: then the ops run twice for those, with `deciding`
  // first and with `needed` when the labels are asked for.
  bool runs_twice() const { return needed.all() && !deciding.all() && has_parsers && (!has_value || filters_labels); }

  NeededLabels needed, deciding;
  std::optional<ImpliedText> implied;
  LabelUse use;
  pipeline::LineFilters leading;
  std::vector<PipelineOp> ops;
  bool reads_lines = false, reads_metadata = false, keeps_lines = true;
  bool has_parsers = false, filters_labels = false, has_value = false;
  bool uses_labels = false;  // some op looks at labels or sets them
};

}  // namespace server
