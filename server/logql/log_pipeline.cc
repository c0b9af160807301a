#include "server/logql/log_pipeline.h"

#include <algorithm>
#include <unordered_map>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"
#include "pipeline/parse/color_codes.h"
#include "server/logql/entry_filter.h"
#include "server/logql/extractors.h"
#include "server/logql/implied_text.h"
#include "server/logql/label_results.h"
#include "server/logql/line_form.h"
#include "server/logql/needed_labels.h"
#include "server/logql/value_text.h"

namespace server {

using pipeline::concat;
using pipeline::fail;

namespace {

// What drop and keep name, compiled.
struct NamedCondition {
  std::string name;
  std::optional<pipeline::Matcher> matcher;
  bool meets(std::string_view label, std::string_view value) const {
    return label == name && (!matcher || matcher->matches(value));
  }
};
struct DropOp {
  std::vector<NamedCondition> conditions;
};
struct KeepOp {
  std::vector<NamedCondition> conditions;
};
struct DecolorizeOp {};
// The value of a sample.
struct UnwrapOp {
  std::string label;
  UnwrapConversion conversion;
  Result<double> convert(std::string_view text) const;
};

using Op =
    std::variant<pipeline::LineFilters, JsonExtractor, JsonPathExtractor, LogfmtExtractor, LogfmtKeyExtractor,
                 RegexpExtractor, PatternExtractor, EntryFilter, LineForm, DropOp, KeepOp, DecolorizeOp, UnwrapOp>;

// One stage to one op; line filters are gathered by the caller.
struct CompileStage {
  const NeededLabels& needed;

  Result<std::optional<Op>> operator()(const LineFilterStage&) { return std::optional<Op>(); }
  Result<std::optional<Op>> operator()(const JsonStage& stage) {
    if (needed.none()) return std::optional<Op>();
    if (stage.extractions.empty()) return std::optional<Op>(JsonExtractor());
    return made(JsonPathExtractor::compile(stage));
  }
  Result<std::optional<Op>> operator()(const LogfmtStage& stage) {
    if (needed.none()) return std::optional<Op>();
    if (stage.extractions.empty()) return std::optional<Op>(LogfmtExtractor(stage));
    return made(LogfmtKeyExtractor::compile(stage));
  }
  Result<std::optional<Op>> operator()(const RegexpStage& stage) { return parser(RegexpExtractor::compile(stage)); }
  Result<std::optional<Op>> operator()(const PatternStage& stage) { return parser(PatternExtractor::compile(stage)); }
  Result<std::optional<Op>> operator()(const LabelFilterStage& stage) {
    return made(EntryFilter::compile(stage.filter));
  }
  Result<std::optional<Op>> operator()(const LineFormatStage& stage) {
    auto form = LineForm::compile(stage.form);
    if (!form) return unsupported(form.error().message);
    return made(std::move(form));
  }
  Result<std::optional<Op>> operator()(const DropStage& stage) {
    TRY_LET(auto conditions, compile_named(stage.labels));
    return std::optional<Op>(DropOp{std::move(conditions)});
  }
  Result<std::optional<Op>> operator()(const KeepStage& stage) {
    TRY_LET(auto conditions, compile_named(stage.labels));
    return std::optional<Op>(KeepOp{std::move(conditions)});
  }
  Result<std::optional<Op>> operator()(const DecolorizeStage&) { return std::optional<Op>(DecolorizeOp()); }
  Result<std::optional<Op>> operator()(const UnpackStage&) { return unsupported("unpack"); }
  Result<std::optional<Op>> operator()(const LabelFormatStage&) { return unsupported("label_format"); }

 private:
  static tl::unexpected<pipeline::Error> unsupported(std::string_view what) {
    return fail(pipeline::Errc::kInvalid, concat("not supported yet: ", what));
  }
  template <class T>
  static Result<std::optional<Op>> made(Result<T> compiled) {
    if (!compiled) return fail(std::move(compiled).error());
    return std::optional<Op>(*std::move(compiled));
  }
  template <class T>
  Result<std::optional<Op>> parser(Result<T> compiled) {
    if (compiled && needed.none()) return std::optional<Op>();
    return made(std::move(compiled));
  }
  static Result<std::vector<NamedCondition>> compile_named(const std::vector<NamedLabel>& labels) {
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
};

bool changes_line(const Stage& stage) {
  return std::holds_alternative<LineFormatStage>(stage) || std::holds_alternative<UnpackStage>(stage) ||
         std::holds_alternative<DecolorizeStage>(stage);
}

bool is_extractor(const Op& op) {
  return std::holds_alternative<JsonExtractor>(op) || std::holds_alternative<JsonPathExtractor>(op) ||
         std::holds_alternative<LogfmtExtractor>(op) || std::holds_alternative<LogfmtKeyExtractor>(op) ||
         std::holds_alternative<RegexpExtractor>(op) || std::holds_alternative<PatternExtractor>(op);
}

}  // namespace

struct LogPipeline::Program {
  Program(const std::vector<Stage>& stages, LabelUse label_use, const Unwrap* unwrap)
      : needed(stages, label_use, unwrap),
        deciding(NeededLabels::to_decide(stages, unwrap)),
        implied(ImpliedText::of(stages)),
        use(std::move(label_use)) {}

  // All labels are needed of entries that are kept, few to decide: then the ops run twice for those, with `deciding`
  // first and with `needed` when the labels are asked for.
  bool runs_twice() const {
    return needed.all() && !deciding.all() && has_extractors && (!has_value || filters_labels);
  }

  NeededLabels needed, deciding;
  std::optional<ImpliedText> implied;
  LabelUse use;
  pipeline::LineFilters leading;
  std::vector<Op> ops;
  bool reads_lines = false, reads_metadata = false, keeps_lines = true;
  bool has_extractors = false, filters_labels = false, has_value = false;
  bool uses_labels = false;  // some op looks at labels or sets them

  Result<void> add_unwrap(const Unwrap& unwrap);
};

Result<void> LogPipeline::Program::add_unwrap(const Unwrap& unwrap) {
  has_value = uses_labels = true;
  ops.emplace_back(UnwrapOp{unwrap.label, unwrap.conversion});
  for (const LabelFilter& filter : unwrap.post_filters) {
    auto compiled = EntryFilter::compile(filter);
    if (!compiled)
      return fail(compiled.error().code,
                  concat("parse error : stage '| ", label_filter_text(filter), "' : ", compiled.error().message));
    ops.emplace_back(*std::move(compiled));
    filters_labels = true;
  }
  return {};
}

Result<double> UnwrapOp::convert(std::string_view text) const {
  switch (conversion) {
    case UnwrapConversion::kNone: return parse_go_float(text);
    case UnwrapConversion::kDuration: {
      TRY_LET(const int64_t nanos, parse_go_duration(text));
      // As Go's Duration.Seconds(), to the last bit.
      return static_cast<double>(nanos / 1'000'000'000) + static_cast<double>(nanos % 1'000'000'000) / 1e9;
    }
    case UnwrapConversion::kBytes: {
      TRY_LET(const uint64_t bytes, parse_human_bytes(text));
      return static_cast<double>(bytes);
    }
  }
  return 0;
}

LogPipeline::LogPipeline(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LogPipeline::LogPipeline(LogPipeline&&) noexcept = default;
LogPipeline& LogPipeline::operator=(LogPipeline&&) noexcept = default;
LogPipeline::~LogPipeline() = default;

const pipeline::LineFilters& LogPipeline::leading() const { return program_->leading; }
bool LogPipeline::reads_lines() const { return program_->reads_lines; }
bool LogPipeline::reads_metadata() const { return program_->reads_metadata; }
bool LogPipeline::keeps_lines() const { return program_->keeps_lines; }

namespace {

LabelUse without_unwrapped(LabelUse use, const std::string& label) {
  if (use.kind == LabelUse::Kind::kAll) use = {LabelUse::Kind::kWithout, {}};
  if (use.kind == LabelUse::Kind::kWithout) use.names.push_back(label);
  return use;
}

}  // namespace

// Line filters depend on the line alone, and what stands before them changes only labels, so all of them move up to the
// last stage that changes the line: those before the first one are the leading ones.
Result<LogPipeline> LogPipeline::compile(const std::vector<Stage>& stages, LabelUse use, const Unwrap* unwrap) {
  auto program =
      std::make_unique<Program>(stages, unwrap ? without_unwrapped(std::move(use), unwrap->label) : use, unwrap);
  std::vector<pipeline::LineFilter> filters;
  std::vector<Op> held;  // ops since the last change of the line
  bool leading = true;
  auto flush = [&] {
    if (leading) {
      program->leading = pipeline::LineFilters(std::move(filters));
    } else if (!filters.empty()) {
      program->ops.emplace_back(pipeline::LineFilters(std::move(filters)));
      program->reads_lines = true;
    }
    filters = {};
    for (Op& op : held) program->ops.push_back(std::move(op));
    held.clear();
  };
  for (const Stage& stage : stages) {
    auto refuse = [&](const pipeline::Error& error) {
      if (error.message.starts_with("not supported yet")) return fail(error);
      return fail(error.code, concat("parse error : stage '", stage_text(stage), "' : ", error.message));
    };
    if (const auto* filter = std::get_if<LineFilterStage>(&stage)) {
      auto compiled = pipeline::LineFilter::create(filter->op, filter->operands);
      if (!compiled) return refuse(compiled.error());
      filters.push_back(*std::move(compiled));
      continue;
    }
    auto op = std::visit(CompileStage{program->needed}, stage);
    if (!op) return refuse(op.error());
    if (!*op) continue;
    if (std::holds_alternative<EntryFilter>(**op)) program->filters_labels = true;
    if (is_extractor(**op)) program->has_extractors = program->reads_lines = true;
    if (!std::holds_alternative<DecolorizeOp>(**op)) program->uses_labels = true;
    if (!changes_line(stage)) {
      held.push_back(**std::move(op));
      continue;
    }
    flush();
    program->ops.push_back(**std::move(op));
    leading = false;
    program->keeps_lines = false;
    program->reads_lines = true;
  }
  flush();
  if (unwrap) TRY(program->add_unwrap(*unwrap));
  program->reads_metadata = program->uses_labels || program->use.kind != LabelUse::Kind::kNone;
  return LogPipeline(std::move(program));
}

struct PipelineRun::State {
  State(const LogPipeline::Program& compiled, LabelResults::Tables& result_tables, bool check_leading)
      : program(compiled), tables(result_tables), checks_leading(check_leading && !compiled.leading.empty()) {}

  const LogPipeline::Program& program;
  LabelResults::Tables& tables;
  const bool checks_leading;
  EntryLabels labels;
  ExtractScratch scratch;
  std::string new_line;
  std::string_view stored_line, line;
  MetadataView metadata;
  bool checks_implied = false;           // in this stream
  const NeededLabels* needed = nullptr;  // of the run under way
  bool complete = true;                  // labels hold all that is needed
  double value = 0;

  // Results of this stream that are known without looking at labels again.
  static constexpr size_t kMaxMetadataIds = 4096;                        // beyond that most metadata occur once
  std::optional<LabelResults::Id> stream_id;                             // of an entry that changes nothing
  std::unordered_map<pipeline::Hash128, LabelResults::Id> metadata_ids;  // by the bytes of the metadata
  std::string last_metadata;                                             // empty: none
  LabelResults::Id last_metadata_id = 0;

  // False: the entry is dropped.
  bool run(pipeline::LineFilters const& filters) { return filters.keeps(line); }
  bool run(const EntryFilter& filter) { return filter.keeps(labels); }
  bool run(const LineForm& form) {
    new_line.clear();
    form.append(new_line, labels);
    line = labels.arena().copy(new_line);
    return true;
  }
  bool run(const DropOp& drop);
  bool run(const KeepOp& keep);
  bool run(const UnwrapOp& unwrap);
  bool run(const DecolorizeOp&) {
    if (!pipeline::has_color_codes(line)) return true;
    new_line.clear();
    pipeline::append_without_colors(new_line, line);
    line = labels.arena().copy(new_line);
    return true;
  }
  template <class Extractor>
  bool run(const Extractor& extractor) {
    if (!needed->none()) extractor.extract(line, labels, *needed, scratch);
    return true;
  }
  bool run_all(const NeededLabels& with);

  LabelResults::Id intern_all();
  LabelResults::Id intern_group();
  LabelResults::Id intern_by_metadata();
  LabelResults::Id intern();
};

bool PipelineRun::State::run(const DropOp& drop) {
  for (const NamedCondition& condition : drop.conditions) {
    if (condition.name == kErrorLabel || condition.name == kErrorDetailsLabel) {
      const bool details = condition.name == kErrorDetailsLabel;
      if (!condition.meets(condition.name, details ? labels.error_details() : labels.error())) continue;
      details ? labels.clear_error_details() : labels.clear_error();
      continue;
    }
    if (!condition.matcher || condition.matcher->matches(labels.get(condition.name).value_or(std::string_view())))
      labels.remove(condition.name);
  }
  return true;
}

bool PipelineRun::State::run(const KeepOp& keep) {
  labels.remove_if([&](std::string_view name, std::string_view value) {
    if (name == kPreserveErrorLabel) return false;
    return std::none_of(keep.conditions.begin(), keep.conditions.end(),
                        [&](const NamedCondition& condition) { return condition.meets(name, value); });
  });
  return true;
}

bool PipelineRun::State::run(const UnwrapOp& unwrap) {
  const std::string_view text = labels.get(unwrap.label).value_or(std::string_view());
  if (text.empty()) return false;
  auto converted = unwrap.convert(text);
  value = converted ? *converted : 0;
  if (!converted) labels.set_error("SampleExtractionErr", labels.arena().copy(converted.error().message));
  return true;
}

LabelResults::Id PipelineRun::State::intern_all() {
  const pipeline::Hash128 sum = sum_of_labels(labels);
  if (auto id = tables.find(sum)) return *id;
  return tables.add(sum, collect_labels(labels));
}

// The labels that sum by (...) asks for, as far as the entry has them.
LabelResults::Id PipelineRun::State::intern_group() {
  LabelSum sum;
  const LabelUse& use = program.use;
  auto visit_group = [&](auto&& see) {
    if (use.kind == LabelUse::Kind::kNone) return;
    if (use.kind == LabelUse::Kind::kBy) {
      for (const std::string& name : use.names)
        if (auto value = labels.get(name)) see(name, *value);
      return;
    }
    auto see_if_not_named = [&](std::string_view name, std::string_view value) {
      if (std::find(use.names.begin(), use.names.end(), name) == use.names.end()) see(name, value);
    };
    for (const pipeline::Label& label : labels.stream().labels())
      if (labels.is_visible(label)) see_if_not_named(label.first, label.second);
    for (const EntryLabels::Set& set : labels.metadata())
      if (!set.removed) see_if_not_named(set.name, set.value);
    for (const EntryLabels::Set& set : labels.parsed())
      if (!set.removed) see_if_not_named(set.name, set.value);
  };
  visit_group([&](std::string_view name, std::string_view value) { sum.add(LabelSum::Category::kGroup, name, value); });
  if (auto id = tables.find(sum.sum())) return *id;
  std::vector<pipeline::Label> found;
  visit_group([&](std::string_view name, std::string_view value) { found.emplace_back(name, value); });
  ResultLabels made;
  made.parsed = LabelSet::from(std::move(found));
  return tables.add(sum.sum(), std::move(made));
}

LabelResults::Id PipelineRun::State::intern() {
  return program.use.kind == LabelUse::Kind::kAll || labels.has_error() ? intern_all() : intern_group();
}

// Without label stages the result depends on nothing but stream and metadata.
LabelResults::Id PipelineRun::State::intern_by_metadata() {
  const std::string_view bytes = metadata.encoded();
  if (bytes.empty() || program.use.kind == LabelUse::Kind::kNone) {
    if (!stream_id) {
      labels.begin_entry({});
      stream_id = intern();
    }
    return *stream_id;
  }
  if (bytes == last_metadata) return last_metadata_id;
  last_metadata.assign(bytes);
  const pipeline::Hash128 key = pipeline::hash128(bytes);
  if (auto at = metadata_ids.find(key); at != metadata_ids.end()) return last_metadata_id = at->second;
  labels.begin_entry(metadata);
  last_metadata_id = intern();
  if (metadata_ids.size() == kMaxMetadataIds) metadata_ids.clear();
  metadata_ids.emplace(key, last_metadata_id);
  return last_metadata_id;
}

PipelineRun::PipelineRun(const LogPipeline& pipeline, LabelResults& results, LeadingFilters leading)
    : state_(std::make_unique<State>(*pipeline.program_, *results.tables_, leading == LeadingFilters::kToDo)) {}
PipelineRun::~PipelineRun() = default;

void PipelineRun::begin_stream(const LabelSet& labels) {
  state_->labels.begin_stream(labels);
  state_->checks_implied = state_->program.implied && state_->program.implied->applies_to(labels);
  state_->stream_id.reset();
  state_->metadata_ids.clear();
  state_->last_metadata.clear();
}

bool PipelineRun::State::run_all(const NeededLabels& with) {
  needed = &with;
  line = stored_line;
  labels.begin_entry(metadata);
  return std::all_of(program.ops.begin(), program.ops.end(),
                     [this](const Op& op) { return std::visit([this](const auto& known) { return run(known); }, op); });
}

bool PipelineRun::process(UnixNanos, std::string_view line, MetadataView metadata) {
  State& state = *state_;
  state.stored_line = state.line = line;
  state.metadata = metadata;
  if (state.checks_leading && !state.program.leading.keeps(line)) return false;
  if (state.checks_implied && metadata.empty() && !state.program.implied->may_keep(line)) return false;
  if (state.program.ops.empty()) return true;
  state.complete = !state.program.runs_twice();
  return state.run_all(state.complete ? state.program.needed : state.program.deciding);
}

double PipelineRun::value() const { return state_->value; }
std::string_view PipelineRun::line() const { return state_->line; }

LabelResults::Id PipelineRun::labels() {
  State& state = *state_;
  if (!state.program.uses_labels) return state.intern_by_metadata();
  if (!state.complete) {
    const bool kept = state.run_all(state.program.needed);
    INVARIANT(kept);
    state.complete = true;
  }
  if (!state.labels.is_plain()) return state.intern();
  if (!state.stream_id) state.stream_id = state.intern();
  return *state.stream_id;
}

}  // namespace server
