#include <algorithm>
#include <unordered_map>

#include "pipeline/base/invariant.h"
#include "pipeline/parse/color_codes.h"
#include "server/logql/label_results.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/pipeline_program.h"

namespace server {

struct PipelineRun::State {
  State(const LogPipeline::Program& compiled, LabelResults::Tables& result_tables, bool check_leading)
      : program(compiled), tables(result_tables), checks_leading(check_leading && !compiled.leading.empty()) {}

  const LogPipeline::Program& program;
  LabelResults::Tables& tables;
  const bool checks_leading;
  EntryLabels labels;
  ExtractScratch scratch;
  TemplateScratch templates;
  std::string new_line;
  std::string_view stored_line, line;
  UnixNanos time = 0;
  MetadataView metadata;
  bool checks_implied = false;           // in this stream
  const NeededLabels* needed = nullptr;  // of the run under way
  bool complete = true;                  // labels hold all that is needed
  double value = 0;

  // Results of this stream that are known without looking at labels again.
  static constexpr size_t kMaxMetadataIds = 4096;  // beyond that most metadata occur once
  pipeline::Hash128 stream_sum;
  std::optional<LabelResults::Id> stream_id;                             // of an entry that changes nothing
  std::unordered_map<pipeline::Hash128, LabelResults::Id> metadata_ids;  // by the bytes of the metadata
  std::string last_metadata;                                             // empty: none
  LabelResults::Id last_metadata_id = 0;

  // False: the entry is dropped.
  bool run(pipeline::LineFilters const& filters) { return filters.keeps(line); }
  bool run(const EntryFilter& filter) { return filter.keeps(labels); }
  bool run(const UnwrapOp& unwrap) { return unwrap.take(labels, value); }
  bool run(const LineForm& form) {
    new_line.clear();
    form.append(new_line, labels);
    line = labels.arena().copy(new_line);
    return true;
  }
  bool run(const LineTemplate& form) {
    line = form.apply({line, time}, labels, templates);
    return true;
  }
  bool run(const LabelFormatter& formatter) {
    formatter.apply({line, time}, labels, templates);
    return true;
  }
  bool run(const DropOp& drop) {
    drop.apply(labels);
    return true;
  }
  bool run(const KeepOp& keep) {
    keep.apply(labels);
    return true;
  }
  bool run(const DecolorizeOp&) {
    if (!pipeline::has_color_codes(line)) return true;
    new_line.clear();
    pipeline::append_without_colors(new_line, line);
    line = labels.arena().copy(new_line);
    return true;
  }
  bool run(const UnpackExtractor& extractor) {
    line = extractor.unpack(line, labels, *needed, scratch);
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

LabelResults::Id PipelineRun::State::intern_all() {
  const pipeline::Hash128 sum = sum_of_labels(labels, stream_sum);
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
    labels.visit([&](std::string_view name, std::string_view text) {
      if (std::find(use.names.begin(), use.names.end(), name) == use.names.end()) see(name, text);
    });
  };
  visit_group([&](std::string_view name, std::string_view text) { sum.add(LabelSum::Category::kGroup, name, text); });
  if (auto id = tables.find(sum.sum())) return *id;
  std::vector<pipeline::Label> found;
  visit_group([&](std::string_view name, std::string_view text) { found.emplace_back(name, text); });
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
  state_->stream_sum = sum_of_stream(labels);
  state_->stream_id.reset();
  state_->metadata_ids.clear();
  state_->last_metadata.clear();
}

bool PipelineRun::State::run_all(const NeededLabels& with) {
  needed = &with;
  line = stored_line;
  labels.begin_entry(metadata);
  return std::all_of(program.ops.begin(), program.ops.end(), [this](const PipelineOp& op) {
    return std::visit([this](const auto& known) { return run(known); }, op);
  });
}

bool PipelineRun::process(UnixNanos time, std::string_view line, MetadataView metadata) {
  State& state = *state_;
  state.stored_line = state.line = line;
  state.time = time;
  state.metadata = metadata;
  if (state.checks_leading && !state.program.leading.keeps(line)) return false;
  if (state.checks_implied && !state.program.implied->may_keep(line, metadata)) return false;
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
