#include "agent/source_configuration.h"

#include <algorithm>

#include "agent/container_format.h"
#include "agent/kubernetes/api_configuration.h"
#include "agent/sink_configuration.h"
#include "agent/stream_types.h"
#include "pipeline/base/concat.h"
#include "pipeline/match/glob.h"
#include "pipeline/match/relabel.h"
#include "pipeline/match/relabel_config.h"
#include "pipeline/stage/stage_list.h"
#include "pipeline/stage/stage_table.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigTable;

namespace {
constexpr uint64_t kSmallestLine = 1 << 10, kLargestLine = 16 << 20;

// Keys that every source has; those of a stream source's own are the rest.
bool is_common_key(std::string_view key) {
  constexpr std::string_view kCommon[] = {"name", "type", "sinks", "labels", "relabel", "stage", "max_line_size"};
  return std::find(std::begin(kCommon), std::end(kCommon), key) != std::end(kCommon);
}

size_t read_line_limit(const ConfigTable& table) {
  uint64_t bytes = table.size("max_line_size", kDefaultMaxLineBytes);
  if (bytes < kSmallestLine || bytes > kLargestLine)
    table.error_at("max_line_size", concat(bytes, " bytes is not between 1KiB and 16MiB"), "the default is \"256KiB\"");
  return bytes;
}

// `"kubernetes", "file" or "stdin"`
std::string type_names() {
  std::vector<std::string_view> names{"kubernetes", "file"};
  for (std::string_view name : stream_type_names()) names.push_back(name);
  std::string out;
  for (std::string_view name : names)
    out += concat(out.empty() ? "" : name == names.back() ? " or " : ", ", "\"", name, "\"");
  return out;
}

void read_stream(const ConfigTable& table, const StreamType& type, SourceOptions& source) {
  source.type = SourceType::kStream;
  source.stream_type = type.name;
  source.can_be_read_again = type.can_be_read_again;
  source.stream = type.read(table);
  source.max_line_bytes = read_line_limit(table);
  for (const std::string& key : table.keys())
    if (!is_common_key(key)) source.stream_text += concat(key, "=", table.canonical(key), "\n");
  if (type.asks_for_rules) source.stream_text += source.relabel_text;
}

// Answers whether the rest of the table can be read.
bool read_type(const ConfigTable& table, SourceOptions& source) {
  std::string type = table.string("type");
  if (type == "kubernetes") {
    source.type = SourceType::kKubernetes;
  } else if (type == "file") {
    source.type = SourceType::kFile;
  } else if (const StreamType* stream = find_stream_type(type)) {
    read_stream(table, *stream, source);
  } else if (table.has("type")) {
    table.error_at("type", concat("there is no source type \"", type, "\""), concat("use ", type_names()));
    return false;
  } else {
    table.error("a source without a type", concat("add type = ", type_names()));
    return false;
  }
  return true;
}

void check_absolute(const ConfigTable& table, std::string_view key, const std::vector<std::string>& paths) {
  for (const std::string& path : paths)
    if (!path.starts_with('/')) table.error_at(key, concat("\"", path, "\" is not an absolute path"), "begin with /");
}

// A pattern that cannot be read would never match: said before the start, with the others.
void check_patterns(const ConfigTable& table, std::string_view key, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (auto glob = pipeline::Glob::compile(pattern); !glob)
      table.error_at(key, glob.error().message, "a [ or { without its end; \\[ and \\{ are the characters themselves");
  }
}

void read_paths(const ConfigTable& table, SourceOptions& source) {
  if (source.type == SourceType::kKubernetes) {
    source.paths = {table.string("path", "/var/log/pods")};
  } else {
    source.paths = table.strings("path");
    if (source.paths.empty()) table.error_at("path", "no path", "for example path = [\"/var/log/*.log\"]");
  }
  source.excludes = table.strings("exclude");
  check_absolute(table, "path", source.paths);
  check_absolute(table, "exclude", source.excludes);
  if (source.type == SourceType::kFile) check_patterns(table, "path", source.paths);
  check_patterns(table, "exclude", source.excludes);
  if (table.choice("start_at", "beginning", {"beginning", "end"}) == "end") source.start_at = StartAt::kEnd;
  source.max_line_bytes = read_line_limit(table);
}

// Which pods, and who is asked about them.
void read_kubernetes(const ConfigTable& table, SourceOptions& source) {
  source.node = table.string("node");
  source.kubernetes = read_pod_api(table);
  PodChoice& pods = source.pods;
  pods.annotated_only = table.choice("pods", "all", {"all", "annotated"}) == "annotated";
  pods.pipeline = table.string("pipeline");
  pods.metadata_wait =
      std::chrono::duration_cast<std::chrono::milliseconds>(table.duration("metadata_wait", pods.metadata_wait));
  if (source.kubernetes) return;
  for (std::string_view key : {"pods", "pipeline"})
    if (table.has(key) && table.string(key) != "all")
      table.error_at(key, concat(key, " needs the annotations of pods, and nobody is asked about them"),
                     "add api or kubelet, or remove it");
}

// Stands behind the last stage and looks at every extracted value.
class LooksAtAll final : public pipeline::Stage {
 public:
  void process(pipeline::Batch&, pipeline::StageMemory&, pipeline::DropCounts&) const override {}
  void add_reads(pipeline::FieldNames& reads) const override { reads.all = true; }
};

std::shared_ptr<const pipeline::StageList> read_stages(const ConfigTable& table, SourceType type, Fields fields) {
  std::vector<ConfigTable> tables = table.tables("stage");
  std::string first = tables.empty() ? "" : tables[0].string("type");
  std::vector<std::unique_ptr<pipeline::Stage>> stages;
  if (type == SourceType::kKubernetes && first != "cri" && first != "docker") {
    stages.push_back(std::make_unique<ContainerFormatStage>());
    stages.back()->set_kind("container format (cri or docker)");
  }
  for (const ConfigTable& stage_table : tables)
    if (auto stage = pipeline::build_stage(stage_table)) stages.push_back(std::move(stage));
  pipeline::check_stage_order(tables);
  if (fields == Fields::kAll) stages.push_back(std::make_unique<LooksAtAll>());
  return std::make_shared<const pipeline::StageList>(std::move(stages));
}

std::vector<size_t> read_sinks(const ConfigTable& table, const std::vector<std::string>& sink_names) {
  std::vector<size_t> sinks;
  for (const std::string& name : table.strings("sinks")) {
    auto at = std::find(sink_names.begin(), sink_names.end(), name);
    if (at == sink_names.end())
      table.error_at("sinks", concat("no sink is called \"", name, "\""), "name one of the [[sink]] tables");
    else
      sinks.push_back(static_cast<size_t>(at - sink_names.begin()));
  }
  if (table.has("sinks") && table.strings("sinks").empty())
    table.error_at("sinks", "the entries of this source go nowhere",
                   "name a sink, or remove sinks: then they go to all");
  if (!table.has("sinks"))
    for (size_t i = 0; i < sink_names.size(); i++) sinks.push_back(i);
  std::sort(sinks.begin(), sinks.end());
  sinks.erase(std::unique(sinks.begin(), sinks.end()), sinks.end());
  return sinks;
}
}  // namespace

SourceOptions read_source(const ConfigTable& table, const std::vector<std::string>& sink_names, Fields fields) {
  SourceOptions source;
  source.name = table.required_string("name");
  source.sinks = read_sinks(table, sink_names);
  source.labels = read_labels(table, "labels");
  source.relabel_text = table.canonical("relabel");
  source.stages_text = table.canonical("stage");
  source.relabel = std::make_shared<const pipeline::RelabelRules>(pipeline::read_relabel_rules(table, "relabel"));
  if (!read_type(table, source)) {
    table.ignore_rest();
    return source;
  }
  source.stages = read_stages(table, source.type, fields);
  if (source.can_be_read_again)
    for (size_t i = 1; i < source.sinks.size(); i++)
      source.more_stages.push_back(read_stages(table, source.type, fields));
  if (source.type == SourceType::kKubernetes || source.type == SourceType::kFile) read_paths(table, source);
  if (source.type == SourceType::kKubernetes) read_kubernetes(table, source);
  return source;
}

}  // namespace agent
