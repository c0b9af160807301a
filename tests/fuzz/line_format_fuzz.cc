// Templates of line_format and label_format: the first line is a log line, the rest the template. Where the template
// only places fields, the short way gives what the template engine gives.
#include <string>

#include "server/logql/entry_template.h"
#include "server/logql/line_form.h"
#include "server/logql/log_pipeline.h"
#include "tests/fuzz/demand.h"

using namespace server;

namespace {

void run_stages(const std::vector<Stage>& stages, std::string_view line) {
  auto compiled = LogPipeline::compile(stages);
  if (!compiled) {
    fuzz::demand(compiled.error().message.find("template: l") != std::string::npos, "a fault names its template");
    return;
  }
  static const LabelSet kStream = LabelSet::from({{"app", "x"}});
  LabelResults results;
  PipelineRun run(*compiled, results);
  run.begin_stream(kStream);
  fuzz::demand(run.process(1, line, {}), "formats drop nothing");
  results.at(run.labels()).all();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  const std::string_view line = fuzz::first_line(rest);
  const std::string form(rest);
  run_stages({JsonStage{}, LineFormatStage{form}}, line);
  run_stages({LogfmtStage{}, LabelFormatStage{{{"made", form, false}, {"app", "made", true}}}}, line);

  auto short_way = LineForm::compile(form);
  auto long_way = LineTemplate::compile(form);
  if (!short_way || !long_way) return 0;
  static const LabelSet kStream = LabelSet::from({{"app", "x"}});
  EntryLabels labels;
  labels.begin_stream(kStream);
  labels.begin_entry({});
  labels.set_error("odd", "why");
  std::string made;
  short_way->append(made, labels);
  TemplateScratch scratch;
  fuzz::demand(long_way->apply({line, 1}, labels, scratch) == made, "the short way gives the same");
  return 0;
}
