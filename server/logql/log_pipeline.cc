#include "server/logql/log_pipeline.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/logql/pipeline_program.h"

namespace server {

using pipeline::concat;
using pipeline::fail;

LogPipeline::LogPipeline(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LogPipeline::LogPipeline(LogPipeline&&) noexcept = default;
LogPipeline& LogPipeline::operator=(LogPipeline&&) noexcept = default;
LogPipeline::~LogPipeline() = default;

const pipeline::LineFilters& LogPipeline::leading() const { return program_->leading; }
const ImpliedText* LogPipeline::implied() const { return program_->implied ? &*program_->implied : nullptr; }
bool LogPipeline::reads_lines() const { return program_->reads_lines; }
bool LogPipeline::reads_metadata() const { return program_->reads_metadata; }
const std::vector<std::string>* LogPipeline::metadata_names() const {
  return program_->needed.all() ? nullptr : &program_->needed.names();
}
bool LogPipeline::keeps_lines() const { return program_->keeps_lines; }

namespace {

// A stage: a line filter, or an op.
struct Step {
  std::optional<pipeline::LineFilter> filter;
  std::optional<PipelineOp> op;
};

auto refused(std::string_view stage, const pipeline::Error& error) {
  return fail(error.code, concat("parse error : stage '", stage, "' : ", error.message));
}

Result<std::vector<Step>> compile_steps(const std::vector<Stage>& stages) {
  std::vector<Step> steps;
  for (const Stage& stage : stages) {
    Step step;
    if (const auto* line_filter = std::get_if<LineFilterStage>(&stage)) {
      auto filter = compile_line_filter(*line_filter);
      if (!filter) return refused(stage_text(stage), filter.error());
      step.filter = *std::move(filter);
    } else {
      auto op = compile_op(stage);
      if (!op) return refused(stage_text(stage), op.error());
      step.op = *std::move(op);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<void> add_unwrap(const Unwrap& unwrap, std::vector<Step>& steps) {
  steps.push_back({std::nullopt, UnwrapOp{unwrap.label, unwrap.conversion}});
  for (const LabelFilter& filter : unwrap.post_filters) {
    auto compiled = EntryFilter::compile(filter);
    if (!compiled) return refused(concat("| ", label_filter_text(filter)), compiled.error());
    steps.push_back({std::nullopt, PipelineOp(*std::move(compiled))});
  }
  return {};
}

// Nothing behind it looks at the line.
bool is_idle_line_format(const std::vector<Step>& steps, size_t at) {
  if (!steps[at].op || !is_line_format(*steps[at].op)) return false;
  return std::none_of(steps.begin() + static_cast<std::ptrdiff_t>(at) + 1, steps.end(), [](const Step& step) {
    if (step.filter || is_parser(*step.op)) return true;
    const auto* line = std::get_if<LineTemplate>(&*step.op);
    const auto* labels = std::get_if<LabelFormatter>(&*step.op);
    return (line && line->used().reads_line()) || (labels && labels->reads_line());
  });
}

LabelUse without_unwrapped(LabelUse use, const std::string& label) {
  if (use.kind == LabelUse::Kind::kAll) use.kind = LabelUse::Kind::kWithout;
  if (use.kind == LabelUse::Kind::kWithout) use.names.push_back(label);
  return use;
}

}  // namespace

// Line filters depend on the line alone, and what stands before them changes only labels, so all of them move up to the
// last stage that changes the line: those before the first one are the leading ones.
Result<LogPipeline> LogPipeline::compile(const std::vector<Stage>& stages, LabelUse use, const Unwrap* unwrap) {
  TRY_LET(std::vector<Step> steps, compile_steps(stages));
  if (unwrap) {
    TRY(add_unwrap(*unwrap, steps));
    use = without_unwrapped(std::move(use), unwrap->label);
  }
  if (use.ignores_lines)
    for (size_t i = steps.size(); i-- > 0;)
      if (is_idle_line_format(steps, i)) steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
  LabelDemand demand;
  for (const Step& step : steps)
    if (step.op) add_demand(*step.op, demand);
  auto program = std::make_unique<Program>(demand, std::move(use));
  program->implied = ImpliedText::of(stages);
  program->has_value = unwrap != nullptr;

  std::vector<pipeline::LineFilter> filters;
  std::vector<PipelineOp> held;  // ops since the last change of the line
  auto flush = [&] {
    if (program->keeps_lines) {
      program->leading = pipeline::LineFilters(std::move(filters));
    } else if (!filters.empty()) {
      program->ops.emplace_back(pipeline::LineFilters(std::move(filters)));
      program->reads_lines = true;
    }
    filters = {};
    for (PipelineOp& op : held) program->ops.push_back(std::move(op));
    held.clear();
  };
  for (Step& step : steps) {
    if (step.filter) {
      filters.push_back(*std::move(step.filter));
      continue;
    }
    PipelineOp& op = *step.op;
    if (is_parser(op)) {
      if (program->needed.none()) continue;
      program->has_parsers = true;
    }
    if (std::holds_alternative<EntryFilter>(op)) program->filters_labels = true;
    if (!std::holds_alternative<DecolorizeOp>(op)) program->uses_labels = true;
    if (reads_line(op)) program->reads_lines = true;
    const bool changes = changes_line(op);
    if (changes) flush();
    (changes ? program->ops : held).push_back(std::move(op));
    if (changes) program->keeps_lines = false;
  }
  flush();
  program->reads_metadata = program->uses_labels || program->use.kind != LabelUse::Kind::kNone;
  return LogPipeline(std::move(program));
}

}  // namespace server
