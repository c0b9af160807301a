#include "agent/commands.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "agent/configuration.h"
#include "agent/discovery/discovery.h"
#include "agent/target_text.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"
#include "pipeline/stage/stage_list.h"
#include "pipeline/stage/test_run.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
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

Result<std::shared_ptr<const SourceOptions>> find_source(const Configuration& c, const std::string& name) {
  for (auto& source : c.sources)
    if (name.empty() || source->name == name) return source;
  std::string names;
  for (auto& source : c.sources) names += concat(names.empty() ? "" : ", ", source->name);
  return fail(Errc::kInvalid, concat("no source is called \"", name, "\"; there are: ", names));
}

// A plain line as the JSON line of an entry without labels.
std::optional<std::string> read_raw_line() {
  auto line = read_line();
  if (!line) return line;
  std::string out;
  pipeline::append_entry_json(out, pipeline::SystemClock().wall(), {}, *line, {});
  return out;
}

// Labels through the relabel rules, then the entry through the stages.
Result<void> test_source(const SourceOptions& source, const TestFlags& test, pipeline::DropCounts& drops) {
  pipeline::ReadLine read = test.raw ? read_raw_line : read_line;
  if (test.only == "relabel") return pipeline::test_relabel(*source.relabel, read, write_text);
  pipeline::ReadLine relabelled = [&]() -> std::optional<std::string> {
    while (auto line = read()) {
      auto entry = pipeline::parse_entry_json(*line);
      if (!entry) return line;  // test_stages will say what is wrong with it
      auto labels = source.relabel->apply(entry->labels);
      if (!labels) {
        drops.add("relabel", 1, entry->line.size());
        continue;
      }
      std::string out;
      std::vector<pipeline::Metadata> metadata;
      for (auto& [name, value] : entry->metadata) metadata.push_back({name, value});
      pipeline::append_entry_json(out, entry->time, *labels, entry->line, metadata);
      return out;
    }
    return std::nullopt;
  };
  return pipeline::test_stages(*source.stages, pipeline::SystemClock().wall(),
                               test.only == "stages" ? read : relabelled, write_text, drops);
}

}  // namespace

int check_configuration(const CommonFlags& flags) {
  auto configuration = load_configuration(flags.config, Needs::kSinks);
  if (!configuration) return refuse(configuration.error());
  std::printf("%s: ok (%zu sources, %zu sinks)\n", flags.config.c_str(), configuration->sources.size(),
              configuration->sinks.size());
  return 0;
}

int list_targets(const CommonFlags& flags, bool json) {
  auto configuration = load_configuration(flags.config, Needs::kSourcesOnly);
  if (!configuration) return refuse(configuration.error());
  std::vector<std::shared_ptr<const SourceOptions>> files;
  std::vector<Target> targets;
  for (auto& source : configuration->sources) {
    if (source->type == SourceType::kStdin)
      targets.push_back(make_stdin_target(*source));
    else
      files.push_back(source);
  }
  std::vector<Target> found = scan_targets(files);
  targets.insert(targets.begin(), found.begin(), found.end());
  if (!json) write_text(targets_table(targets));
  if (json)
    for (const Target& target : targets) write_text(target_json(target) + "\n");
  return 0;
}

int test_pipeline(const CommonFlags& flags, const TestFlags& test) {
  auto configuration = load_configuration(flags.config, Needs::kSourcesOnly);
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
