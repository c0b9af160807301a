#include "server/logql/pipeline_ops.h"

#include <algorithm>

#include "pipeline/parse/value_text.h"
#include "server/logql/log_pipeline.h"

namespace server {
using pipeline::parse_go_duration;
using pipeline::parse_go_float;
using pipeline::parse_human_bytes;

namespace {

Result<std::vector<NamedCondition>> compile_named(const std::vector<NamedLabel>& labels) {
  std::vector<NamedCondition> out;
  for (const NamedLabel& label : labels) {
    NamedCondition condition{label.name, std::nullopt};
    if (const auto& m = label.matcher) {
      TRY_LET(condition.matcher, pipeline::Matcher::create(m->name, m->op, m->value));
    }
    out.push_back(std::move(condition));
  }
  return out;
}

template <class T>
Result<PipelineOp> made(Result<T> compiled) {
  if (!compiled) return pipeline::fail(std::move(compiled).error());
  return PipelineOp(*std::move(compiled));
}

struct CompileStage {
  Result<PipelineOp> operator()(const LineFilterStage& stage) {
    TRY_LET(auto filter, compile_line_filter(stage));
    std::vector<pipeline::LineFilter> one;
    one.push_back(std::move(filter));
    return PipelineOp(pipeline::LineFilters(std::move(one)));
  }
  Result<PipelineOp> operator()(const JsonStage& stage) {
    if (stage.extractions.empty()) return PipelineOp(JsonExtractor());
    return made(JsonPathExtractor::compile(stage));
  }
  Result<PipelineOp> operator()(const LogfmtStage& stage) {
    if (stage.extractions.empty()) return PipelineOp(LogfmtExtractor(stage));
    return made(LogfmtKeyExtractor::compile(stage));
  }
  Result<PipelineOp> operator()(const RegexpStage& stage) { return made(RegexpExtractor::compile(stage)); }
  Result<PipelineOp> operator()(const PatternStage& stage) { return made(PatternExtractor::compile(stage)); }
  Result<PipelineOp> operator()(const UnpackStage&) { return PipelineOp(UnpackExtractor()); }
  Result<PipelineOp> operator()(const LabelFilterStage& stage) { return made(EntryFilter::compile(stage.filter)); }
  Result<PipelineOp> operator()(const LineFormatStage& stage) {
    if (auto form = LineForm::compile(stage.form)) return PipelineOp(*std::move(form));
    return made(LineTemplate::compile(stage.form));
  }
  Result<PipelineOp> operator()(const LabelFormatStage& stage) { return made(LabelFormatter::compile(stage)); }
  Result<PipelineOp> operator()(const DropStage& stage) {
    TRY_LET(auto conditions, compile_named(stage.labels));
    return PipelineOp(DropOp{std::move(conditions)});
  }
  Result<PipelineOp> operator()(const KeepStage& stage) {
    TRY_LET(auto conditions, compile_named(stage.labels));
    return PipelineOp(KeepOp{std::move(conditions)});
  }
  Result<PipelineOp> operator()(const DecolorizeStage&) { return PipelineOp(DecolorizeOp()); }
};

template <class... Types>
bool is_any(const PipelineOp& op) {
  return (std::holds_alternative<Types>(op) || ...);
}

void add_template(const EntryTemplate& used, LabelDemand& demand) {
  demand.names.insert(demand.names.end(), used.fields().begin(), used.fields().end());
  demand.all |= used.reads_all();
}

// Go's Duration.Seconds(), to the last bit.
double seconds_of(int64_t nanos) {
  return static_cast<double>(nanos / 1'000'000'000) + static_cast<double>(nanos % 1'000'000'000) / 1e9;
}

Result<double> convert(UnwrapConversion conversion, std::string_view text) {
  if (conversion == UnwrapConversion::kDuration) return parse_go_duration(text).transform(seconds_of);
  if (conversion == UnwrapConversion::kBytes)
    return parse_human_bytes(text).transform([](uint64_t bytes) { return static_cast<double>(bytes); });
  return parse_go_float(text);
}

}  // namespace

Result<PipelineOp> compile_op(const Stage& stage) { return std::visit(CompileStage{}, stage); }

// An address in a chain of |= is a plain text for Loki.
Result<pipeline::LineFilter> compile_line_filter(const LineFilterStage& stage) {
  std::vector<LineFilterOperand> operands = stage.operands;
  if (stage.op == LineFilterOp::kContains && operands.size() > 1)
    for (LineFilterOperand& operand : operands) operand.is_ip = false;
  return pipeline::LineFilter::create(stage.op, operands);
}

bool is_parser(const PipelineOp& op) {
  return is_any<JsonExtractor, JsonPathExtractor, LogfmtExtractor, LogfmtKeyExtractor, RegexpExtractor,
                PatternExtractor, UnpackExtractor>(op);
}

bool changes_line(const PipelineOp& op) { return is_line_format(op) || is_any<UnpackExtractor, DecolorizeOp>(op); }

bool is_line_format(const PipelineOp& op) { return is_any<LineForm, LineTemplate>(op); }

bool reads_line(const PipelineOp& op) {
  if (const auto* formatter = std::get_if<LabelFormatter>(&op)) return formatter->has_templates();
  return is_parser(op) || changes_line(op);
}

void add_demand(const PipelineOp& op, LabelDemand& demand) {
  if (const auto* filter = std::get_if<EntryFilter>(&op)) {
    filter->append_label_names(demand.names);
    demand.errors_decide |= filter->has_address();
  } else if (const auto* form = std::get_if<LineForm>(&op)) {
    for (std::string& field : form->fields()) demand.names.push_back(std::move(field));
  } else if (const auto* line = std::get_if<LineTemplate>(&op)) {
    add_template(line->used(), demand);
  } else if (const auto* formatter = std::get_if<LabelFormatter>(&op)) {
    formatter->append_label_names(demand.names);
    demand.all |= formatter->reads_all();
  } else if (const auto* unwrap = std::get_if<UnwrapOp>(&op)) {
    demand.names.push_back(unwrap->label);
  }
}

void DropOp::apply(EntryLabels& labels) const {
  for (const NamedCondition& condition : conditions) {
    if (condition.name == kErrorLabel || condition.name == kErrorDetailsLabel) {
      const bool details = condition.name == kErrorDetailsLabel;
      if (!condition.meets(condition.name, details ? labels.error_details() : labels.error())) continue;
      details ? labels.clear_error_details() : labels.clear_error();
      continue;
    }
    if (!condition.matcher || condition.matcher->matches(labels.get(condition.name).value_or(std::string_view())))
      labels.remove(condition.name);
  }
}

void KeepOp::apply(EntryLabels& labels) const {
  labels.remove_if([&](std::string_view name, std::string_view value) {
    if (name == kPreserveErrorLabel) return false;
    return std::none_of(conditions.begin(), conditions.end(),
                        [&](const NamedCondition& condition) { return condition.meets(name, value); });
  });
}

bool UnwrapOp::take(EntryLabels& labels, double& value) const {
  const std::string_view text = labels.get(label).value_or(std::string_view());
  if (text.empty()) return false;
  auto converted = convert(conversion, text);
  value = converted ? *converted : 0;
  if (!converted) labels.set_error("SampleExtractionErr", labels.arena().copy(converted.error().message));
  return true;
}

}  // namespace server
