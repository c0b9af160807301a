#include "server/query/query_plan.h"

#include <chrono>

#include "pipeline/base/concat.h"
#include "server/query/query_context.h"

namespace server {

using pipeline::concat;

namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

PlanStep::Estimate estimate(const Selection& selection) {
  PlanStep::Estimate out;
  out.objects = selection.stored.size();
  for (const StoredPart& part : selection.stored) {
    out.pages += part.pages.size();
    for (uint32_t page : part.pages) {
      out.line_bytes += part.object->pages()[page].text_bytes;
      for (const PageRun& run : part.object->runs(page)) {
        const bool in_time = run.max_time >= selection.begin && run.min_time < selection.end;
        if (in_time && part.streams.contains(run.stream)) out.entries += run.rows;
      }
    }
  }
  for (const HeadPart& part : selection.head) {
    out.head_entries += part.entries.size();
    out.head_line_bytes += part.entries.line_bytes();
  }
  return out;
}

}  // namespace

StepRecord::StepRecord(QueryContext& context, std::string_view reads) : context_(context) {
  if (context.plan == nullptr) return;
  step_.reads = reads;
  before_ = context.stats;
  begin_ = now_seconds();
}

void StepRecord::selected(const LogExpr& log, const LogPipeline& pipeline, const Selection& selection, Needs needs) {
  if (context_.plan == nullptr) return;
  step_.expression = selector_text(log.selector);
  for (const Stage& stage : log.stages) step_.expression += concat(" ", stage_text(stage));
  bool leads = true;  // line filters see the line as it was stored until a stage changes it
  for (const Stage& stage : log.stages) {
    leads = leads && !std::holds_alternative<LineFormatStage>(stage) && !std::holds_alternative<UnpackStage>(stage) &&
            !std::holds_alternative<DecolorizeStage>(stage);
    if (leads && std::holds_alternative<LineFilterStage>(stage))
      step_.leading_filters += concat(step_.leading_filters.empty() ? "" : " ", stage_text(stage));
  }
  const bool lines = needs.lines || pipeline.reads_lines() || !pipeline.leading().empty();
  if (needs.times) step_.columns.emplace_back("times");
  if (lines || needs.lengths) step_.columns.emplace_back("lengths");
  if (lines) step_.columns.emplace_back("text");
  if (needs.metadata || pipeline.reads_metadata()) step_.columns.emplace_back("metadata");
  step_.threads = context_.turn.width();
  step_.estimated = estimate(selection);
}

StepRecord::~StepRecord() {
  if (context_.plan == nullptr) return;
  step_.actual = context_.stats;
  step_.actual.subtract(before_);
  step_.seconds = now_seconds() - begin_;
  context_.plan->steps.push_back(std::move(step_));
}

}  // namespace server
