#include "agent/configuration.h"

#include <algorithm>
#include <cerrno>
#include <glob.h>

#include "agent/sink/push_answer.h"
#include "agent/sink_configuration.h"
#include "agent/source_configuration.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigDocument;
using pipeline::ConfigTable;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
constexpr uint64_t kLeastMemory = 4 << 20;  // a block, an open batch and a body must fit
constexpr int64_t kMostWorkers = 64;
constexpr const char* kUsualInclude = "conf.d/*.toml";

// An error at each table whose name another had before.
void check_names(const std::vector<ConfigTable>& tables, const std::vector<std::string>& names, std::string_view what) {
  for (size_t i = 0; i < names.size(); i++) {
    auto first = static_cast<size_t>(std::find(names.begin(), names.end(), names[i]) - names.begin());
    if (names[i].empty() || first == i) continue;
    tables[i].error_at(
        "name", concat("two ", what, "s are called \"", names[i], "\", the other one at ", tables[first].place()),
        "give each its own name");
  }
}

bool has_wildcard(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

// What glob() could not look into. It takes no context; one thread reads a configuration from its begin to its end.
struct GlobFault {
  std::string path;
  int error = 0;
};
thread_local GlobFault glob_fault;

// Not 0: glob() gives up. A folder that is not there holds nothing; of one we may not read we cannot say.
int note_glob_fault(const char* path, int error) {
  if (error == ENOENT || error == ENOTDIR) return 0;
  glob_fault = {path, error};
  return 1;
}

// In the order of their names.
Result<std::vector<std::string>> matching_files(const std::string& pattern) {
  std::vector<std::string> out;
  ::glob_t found{};
  glob_fault = {};
  int outcome = ::glob(pattern.c_str(), 0, note_glob_fault, &found);
  if (outcome == 0)
    for (size_t i = 0; i < found.gl_pathc; i++) out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (glob_fault.error != 0) return fail(pipeline::system_error(concat("read ", glob_fault.path), glob_fault.error));
  if (outcome == GLOB_NOSPACE) return fail(Errc::kOverLimit, concat("no memory to look for ", pattern));
  std::sort(out.begin(), out.end());
  return out;
}

// `include`, relative to the folder of the file: the roots of what it names, the document's own first.
std::vector<ConfigTable> read_includes(ConfigDocument& document, const ConfigDocument::Environment& environment) {
  ConfigTable root = document.root();
  std::vector<ConfigTable> roots{root};
  std::vector<std::string> patterns{kUsualInclude}, files;
  if (root.has("include")) patterns = root.strings("include");
  for (std::string pattern : patterns) {
    if (!pattern.starts_with('/')) pattern = concat(document.name().substr(0, document.name().rfind('/') + 1), pattern);
    auto matching = matching_files(pattern);
    if (!matching) {
      root.error_at("include", matching.error().message, "let the agent's user read it, or move it away");
      continue;
    }
    std::vector<std::string>& found = *matching;
    if (found.empty() && !has_wildcard(pattern)) root.error_at("include", concat("there is no file ", pattern), "");
    for (std::string& file : found)
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(std::move(file));
  }
  for (const std::string& file : files) {
    auto included = document.include(file, environment);
    if (!included) continue;
    for (const std::string& key : included->keys())
      if (key != "source" && key != "sink" && included->has(key))
        included->error_at(key, concat("\"", key, "\" does not belong into an included file"),
                           concat("move it to ", document.name(), "; here stand [[source]] and [[sink]]"));
    roots.push_back(*included);
  }
  return roots;
}

std::vector<ConfigTable> all_tables(const std::vector<ConfigTable>& roots, std::string_view key) {
  std::vector<ConfigTable> all;
  for (const ConfigTable& root : roots)
    for (const ConfigTable& table : root.tables(key)) all.push_back(table);
  return all;
}

void read_sinks(const std::vector<ConfigTable>& roots, Needs needs, Configuration& configuration) {
  std::vector<ConfigTable> tables = all_tables(roots, "sink");
  std::vector<std::string> names;
  for (const ConfigTable& table : tables) {
    configuration.sinks.push_back(read_sink(table));
    names.push_back(configuration.sinks.back().name);
  }
  check_names(tables, names, "sink");
  if (tables.empty() && needs == Needs::kSinks)
    roots[0].error("no [[sink]]", "add one, so that entries have somewhere to go");
}

// A pod that chooses the pipeline of one source is not for those without.
void tell_pipelines(std::vector<SourceOptions>& sources) {
  std::vector<std::string> pipelines;
  for (const SourceOptions& source : sources)
    if (!source.pods.pipeline.empty()) pipelines.push_back(source.pods.pipeline);
  for (SourceOptions& source : sources)
    if (source.type == SourceType::kKubernetes && source.pods.pipeline.empty()) source.pods.other_pipelines = pipelines;
}

void read_sources(const std::vector<ConfigTable>& roots, Needs needs, Configuration& configuration) {
  Fields fields = needs == Needs::kExplanation ? Fields::kAll : Fields::kAsNeeded;
  std::vector<std::string> sink_names, names;
  for (const SinkOptions& sink : configuration.sinks) sink_names.push_back(sink.name);
  std::vector<ConfigTable> tables = all_tables(roots, "source");
  size_t stdins = 0;
  std::vector<SourceOptions> sources;
  for (const ConfigTable& table : tables) {
    sources.push_back(read_source(table, sink_names, fields));
    names.push_back(sources.back().name);
    if (sources.back().stream_type == "stdin" && ++stdins == 2)
      table.error_at("type", "two sources read standard input", "keep one of them");
  }
  tell_pipelines(sources);
  for (SourceOptions& source : sources)
    configuration.sources.push_back(std::make_shared<const SourceOptions>(std::move(source)));
  check_names(tables, names, "source");
  if (tables.empty()) roots[0].error("no [[source]]", "add one, so that there is something to read");
}

// HOST:PORT; what the host is, the system will say.
std::string read_address(const ConfigTable& http, std::string_view key, const std::string& otherwise) {
  std::string address = http.string(key, otherwise);
  size_t colon = address.rfind(':');
  std::string_view port = std::string_view(address).substr(colon == std::string::npos ? address.size() : colon + 1);
  bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || std::stoi(std::string(port)) > 65'535)
    http.error_at(key, concat("\"", address, "\" is not HOST:PORT with a port up to 65535"),
                  concat("for example \"", otherwise, "\""));
  return address;
}

Result<Configuration> read(ConfigDocument& document, Needs needs, const ConfigDocument::Environment& environment) {
  ConfigTable root = document.root();
  std::vector<ConfigTable> roots = read_includes(document, environment);
  Configuration c;
  c.data_dir = root.string("data_dir", c.data_dir);
  if (c.data_dir.empty()) root.error_at("data_dir", "no folder", "for example \"/var/lib/skidway-agent\"");
  c.memory_limit_bytes = root.size("memory_limit", c.memory_limit_bytes);
  c.hold_deleted_bytes = root.size("hold_deleted_bytes", c.hold_deleted_bytes);
  if (c.memory_limit_bytes < kLeastMemory)
    root.error_at("memory_limit", concat(c.memory_limit_bytes, " bytes is less than 4MiB"), "the default is \"64MiB\"");
  c.workers = static_cast<size_t>(root.integer("workers", 1, 1, kMostWorkers));
  c.http_listen = read_address(root.table("http"), "listen", c.http_listen);
  read_sinks(roots, needs, c);
  read_sources(roots, needs, c);
  TRY(document.finish());
  c.text = hide_secrets(document.text());
  return c;
}
}  // namespace

// What can be read again waits where it is for a sink that lags. Other sources have only the sinks' spools.
std::vector<std::string> cautions(const Configuration& configuration) {
  std::vector<std::string> all;
  for (const auto& source : configuration.sources) {
    const bool of_files = source->type == SourceType::kFile || source->type == SourceType::kKubernetes;
    if (of_files || source->can_be_read_again || source->sinks.size() < 2) continue;
    std::string without;
    for (size_t slot : source->sinks) {
      const SinkOptions& sink = configuration.sinks[slot];
      if (sink.type == SinkType::kLoki && sink.spool.mode == SpoolMode::kOff)
        without += concat(without.empty() ? "\"" : ", \"", sink.name, "\"");
    }
    if (!without.empty())
      all.push_back(concat("source \"", source->name, "\" has several sinks, and ", without,
                           " no spool: what it reads cannot be read again, so while that sink is away nothing of the"
                           " source is taken, for the others neither; give it spool = { mode = \"outage\" }"));
  }
  return all;
}

Result<Configuration> parse_configuration(std::string_view text, const std::string& name, Needs needs,
                                          const ConfigDocument::Environment& environment) {
  TRY_LET(ConfigDocument document, ConfigDocument::parse(text, name, environment));
  return read(document, needs, environment);
}

Result<Configuration> load_configuration(const std::string& path, Needs needs) {
  TRY_LET(ConfigDocument document, ConfigDocument::load(path));
  return read(document, needs, ConfigDocument::process_environment());
}

}  // namespace agent
