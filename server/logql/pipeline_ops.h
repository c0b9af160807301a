// What the stages of a LogPipeline do, compiled: one op a stage.
//
// Thread: any (immutable). Errors: compile_op(): kInvalid, the cause as Loki words it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/match/line_filter.h"
#include "server/logql/entry_filter.h"
#include "server/logql/entry_template.h"
#include "server/logql/extractors.h"
#include "server/logql/line_form.h"

namespace server {

// What drop and keep name.
struct NamedCondition {
  std::string name;
  std::optional<pipeline::Matcher> matcher;
  bool meets(std::string_view label, std::string_view value) const {
    return label == name && (!matcher || matcher->matches(value));
  }
};
struct DropOp {
  std::vector<NamedCondition> conditions;
  void apply(EntryLabels& labels) const;
};
struct KeepOp {
  std::vector<NamedCondition> conditions;
  void apply(EntryLabels& labels) const;
};
struct DecolorizeOp {};

// The value of a sample.
struct UnwrapOp {
  std::string label;
  UnwrapConversion conversion = UnwrapConversion::kNone;
  // False: no such label. A text that does not convert is 0 and sets the error.
  bool take(EntryLabels& labels, double& value) const;
};

using PipelineOp = std::variant<pipeline::LineFilters, JsonExtractor, JsonPathExtractor, LogfmtExtractor,
                                LogfmtKeyExtractor, RegexpExtractor, PatternExtractor, UnpackExtractor, EntryFilter,
                                LineForm, LineTemplate, LabelFormatter, DropOp, KeepOp, DecolorizeOp, UnwrapOp>;

// Not for line filters: compile_line_filter().
pipeline::Result<PipelineOp> compile_op(const Stage& stage);
pipeline::Result<pipeline::LineFilter> compile_line_filter(const LineFilterStage& stage);

bool is_parser(const PipelineOp& op);     // sets labels from the line, and does nothing where none is needed
bool changes_line(const PipelineOp& op);  // line filters behind it see another line
bool is_line_format(const PipelineOp& op);
bool reads_line(const PipelineOp& op);  // its outcome depends on the line or the time
void add_demand(const PipelineOp& op, LabelDemand& demand);

}  // namespace server
