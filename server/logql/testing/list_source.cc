#include "server/logql/testing/list_source.h"

#include <memory>

#include "server/logql/parser.h"
#include "server/logql/range_values.h"

namespace server {
namespace {

struct Worker {
  LabelResults labels;
  std::unique_ptr<RangeValues> values;
};

class Unlimited final : public WorkingMemory {
 public:
  Result<void> hold(uint64_t, uint64_t) override { return {}; }
};

}  // namespace

Result<void> ListSource::read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid,
                              SeriesSink& sink) {
  const Unwrap* unwrap = aggregation.range.unwrap ? &*aggregation.range.unwrap : nullptr;
  TRY_LET(const LogPipeline compiled, LogPipeline::compile(aggregation.range.log.stages, use, unwrap));
  const auto matchers = compile_selector(aggregation.range.log.selector);
  std::vector<Worker> workers(parts_);
  for (size_t i = 0; i < parts_; ++i) {
    workers[i].values = std::make_unique<RangeValues>(aggregation, grid);
    PipelineRun run(compiled, workers[i].labels);
    for (size_t at = i; at < entries_.size(); at += parts_) {
      const NaiveEntry& entry = entries_[at];
      if (!pipeline::matches_all(matchers, entry.stream)) continue;
      run.begin_stream(entry.stream);
      std::string metadata;
      if (compiled.reads_metadata())
        append_metadata(metadata, std::vector<MetadataPair>(entry.metadata.begin(), entry.metadata.end()));
      const bool needs_line = compiled.reads_lines() || !compiled.leading().empty();
      if (!run.process(entry.time, needs_line ? entry.line : std::string_view(), MetadataView(metadata))) continue;
      const double value = unwrap ? run.value() : 0;
      const LabelResults::Id series = run.labels();
      const size_t bytes = compiled.keeps_lines() ? entry.line.size() : run.line().size();
      workers[i].values->add(series, entry.time, unwrap ? value : static_cast<double>(bytes));
    }
  }
  std::vector<RangeValues::Part> parts;
  for (Worker& worker : workers) parts.push_back({worker.values.get(), &worker.labels});
  return RangeValues::finish(parts, sink);
}

std::unique_ptr<WorkingMemory> ListSource::memory(std::string) { return std::make_unique<Unlimited>(); }

}  // namespace server
