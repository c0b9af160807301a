// LogQL: the first line is a query, the rest a log line. What parses is written, read and written again the same; its
// stages run on the line, whole and with the labels of a sum.
#include <string>

#include "server/logql/log_pipeline.h"
#include "server/logql/parser.h"
#include "server/logql/pretty_text.h"
#include "tests/fuzz/demand.h"

using namespace server;

namespace {

void run_stages(const std::vector<Stage>& stages, const LabelUse& use, const Unwrap* unwrap, std::string_view line) {
  auto compiled = LogPipeline::compile(stages, use, unwrap);
  if (!compiled) {
    fuzz::demand(compiled.error().message.starts_with("parse error : stage '"), "a fault names its stage");
    return;
  }
  static const LabelSet kStream = LabelSet::from({{"app", "x"}, {"level", "info"}});
  static const std::string kMetadata = [] {
    std::string out;
    const std::vector<MetadataPair> pairs = {{"app", "y"}, {"detected_level", "error"}};
    append_metadata(out, pairs);
    return out;
  }();
  LabelResults results;
  PipelineRun run(*compiled, results);
  run.begin_stream(kStream);
  if (!run.process(1, line, MetadataView(kMetadata))) return;
  const LabelResults::Id id = run.labels();
  fuzz::demand(run.labels() == id, "labels stay the same");
  if (compiled->keeps_lines()) fuzz::demand(run.line() == line, "the line stays the same");
  results.at(id).all();
}

struct Runner {
  std::string_view line;
  void operator()(const LogExpr& log) { run_stages(log.stages, {}, nullptr, line); }
  void operator()(const RangeAggregation& range) {
    const Unwrap* unwrap = range.range.unwrap ? &*range.range.unwrap : nullptr;
    run_stages(range.range.log.stages, label_use(nullptr, range), unwrap, line);
    run_stages(range.range.log.stages, {LabelUse::Kind::kBy, {"level"}, true}, unwrap, line);
  }
  void operator()(const VectorAggregation& vector) { std::visit(*this, vector.inner->node); }
  void operator()(const BinaryOperation& binary) {
    std::visit(*this, binary.left->node);
    std::visit(*this, binary.right->node);
  }
  void operator()(const LabelReplace& replace) { std::visit(*this, replace.inner->node); }
  void operator()(const Literal&) {}
  void operator()(const VectorLiteral&) {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  auto expr = parse_query(fuzz::first_line(rest));
  if (!expr) {
    fuzz::demand(!expr.error().message.empty(), "a fault has a text");
    return 0;
  }
  const std::string text = expr_text(*expr);
  pretty_text(*expr);
  if (auto again = parse_query(text)) fuzz::demand(expr_text(*again) == text, "what was written reads back the same");
  std::visit(Runner{rest}, expr->node);
  return 0;
}
