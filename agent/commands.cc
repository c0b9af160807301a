#include "agent/commands.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <unistd.h>

#include "agent/configuration.h"
#include "agent/discovery/discovery.h"
#include "agent/fixtures.h"
#include "agent/pod_watches.h"
#include "agent/target_text.h"
#include "agent/tried_source.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/stage/entry_json.h"
#include "pipeline/stage/stage_list.h"
#include "pipeline/stage/stage_reference.h"
#include "pipeline/stage/stage_trace.h"
#include "pipeline/stage/test_run.h"

namespace agent {

using pipeline::Result;

namespace {
int refuse(const pipeline::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 2;
}

std::optional<std::string> read_line() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

void write_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// A plain line as the JSON line of an entry without labels.
std::optional<std::string> read_raw_line() {
  auto line = read_line();
  if (!line) return line;
  std::string out;
  pipeline::append_entry_json(out, pipeline::SystemClock().wall(), {}, *line, {});
  return out;
}

Result<void> test_source(const SourceOptions& source, const TestFlags& test, pipeline::DropCounts& drops) {
  pipeline::ReadLine read = test.raw ? read_raw_line : read_line;
  if (test.only == "relabel") return pipeline::test_relabel(*source.relabel, read, write_text);
  pipeline::ReadLine in =
      test.only == "stages" ? read : relabelled(source, read, drops, test.explain ? write_text : pipeline::WriteText());
  pipeline::UnixNanos now = pipeline::SystemClock().wall();
  if (!test.explain) return pipeline::test_stages(*source.stages, now, in, write_text, drops);
  auto colour = ::isatty(STDOUT_FILENO) == 1 ? pipeline::Colour::kYes : pipeline::Colour::kNo;
  return pipeline::explain_stages(*source.stages, now, in, write_text, drops, colour);
}

}  // namespace

int check_configuration(const CommonFlags& flags) {
  auto configuration = load_configuration(flags.config, Needs::kSinks);
  if (!configuration) return refuse(configuration.error());
  for (const std::string& caution : cautions(*configuration))
    std::fprintf(stderr, "%s: warning: %s\n", flags.config.c_str(), caution.c_str());
  std::printf("%s: ok (%zu sources, %zu sinks)\n", flags.config.c_str(), configuration->sources.size(),
              configuration->sinks.size());
  return 0;
}

namespace {
constexpr std::chrono::seconds kPodsWait{5};  // for the API; then labels come from paths

Result<std::vector<Target>> scan_with_pods(const std::vector<std::shared_ptr<const SourceOptions>>& files) {
  TRY_LET(auto loop, pipeline::Loop::create());
  pipeline::Registry metrics;
  std::vector<Target> targets;
  {
    PodWatches pods(*loop, nullptr, metrics);
    for (const auto& source : files) pods.find(*source);
    for (const auto begun = loop->now(); !pods.synced() && loop->now() - begun < kPodsWait;)
      loop->turn(std::chrono::milliseconds(100));
    for (const std::string& trouble : pods.troubles())
      pipeline::log_warn("not all is known of pods", {{"error", trouble}});
    targets = scan_targets(files, [&](const SourceOptions& source) { return pods.find(source); });
    pods.stop();
  }
  TRY(loop->close());
  return targets;
}
}  // namespace

int list_targets(const CommonFlags& flags, bool json) {
  auto configuration = load_configuration(flags.config, Needs::kSourcesOnly);
  if (!configuration) return refuse(configuration.error());
  std::vector<std::shared_ptr<const SourceOptions>> files;
  std::vector<Target> targets;
  for (auto& source : configuration->sources) {
    if (source->stream_type == "stdin")
      targets.push_back(make_stdin_target(*source));
    else if (source->type == SourceType::kStream)
      targets.push_back({.source = source->name, .path = source->stream->place(), .state = "active"});
    else
      files.push_back(source);
  }
  auto found = scan_with_pods(files);
  if (!found) return refuse(found.error());
  targets.insert(targets.begin(), found->begin(), found->end());
  if (!json) write_text(targets_table(targets));
  if (json)
    for (const Target& target : targets) write_text(target_json(target) + "\n");
  return 0;
}

int test_pipeline(const CommonFlags& flags, const TestFlags& test) {
  if (!test.fixtures.empty()) {
    auto outcome = run_fixtures(test.fixtures, flags.config, write_text);
    return !outcome ? refuse(outcome.error()) : outcome->failed > 0 ? 1 : 0;
  }
  auto configuration = load_configuration(flags.config, test.explain ? Needs::kExplanation : Needs::kSourcesOnly);
  if (!configuration) return refuse(configuration.error());
  auto source = find_source(*configuration, test.source);
  if (!source) return refuse(source.error());
  pipeline::DropCounts drops;
  auto outcome = test_source(**source, test, drops);
  std::fflush(stdout);
  if (test.metrics) {
    std::string text = pipeline::stage_metrics_text(*(*source)->stages, pipeline::SystemClock().wall(), drops);
    std::fprintf(stderr, "# metrics\n%s", text.c_str());
  }
  return outcome ? 0 : refuse(outcome.error());
}

int describe_stages(const std::string& name, bool markdown) {
  if (name.empty()) {
    write_text(markdown ? pipeline::stage_reference_markdown() : pipeline::stage_list_text());
    return 0;
  }
  auto text = markdown ? pipeline::stage_help_markdown(name) : pipeline::stage_help_text(name);
  if (!text) return refuse(text.error());
  write_text(*text);
  return 0;
}

int test_glob(const std::vector<std::string>& patterns, const std::vector<std::string>& excludes) {
  auto outcome = pipeline::test_glob(patterns, excludes, read_line, write_text);
  return outcome ? 0 : refuse(outcome.error());
}

int test_time(const std::string& layout, const std::string& location) {
  auto outcome = pipeline::test_time(layout, location, pipeline::SystemClock().wall(), read_line, write_text);
  return outcome ? 0 : refuse(outcome.error());
}

int test_template(const std::string& text, const std::string& functions) {
  auto table = functions == "logql" ? pipeline::TemplateFunctions::kLogql : pipeline::TemplateFunctions::kStage;
  auto outcome = pipeline::test_template(text, table, pipeline::SystemClock().wall(), read_line, write_text);
  return outcome ? 0 : refuse(outcome.error());
}

}  // namespace agent
