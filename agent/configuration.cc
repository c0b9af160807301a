#include "agent/configuration.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "agent/sink/push_request.h"
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

// An error at each table whose name another had before.
void check_names(const std::vector<ConfigTable>& tables, const std::vector<std::string>& names, std::string_view what) {
  for (size_t i = 0; i < names.size(); i++)
    if (!names[i].empty() && std::find(names.begin(), names.begin() + static_cast<ptrdiff_t>(i), names[i]) !=
                                 names.begin() + static_cast<ptrdiff_t>(i))
      tables[i].error_at("name", concat("two ", what, "s are called \"", names[i], "\""), "give each its own name");
}

void read_sinks(const ConfigTable& root, Needs needs, Configuration& configuration) {
  std::vector<ConfigTable> tables = root.tables("sink");
  std::vector<std::string> names;
  for (const ConfigTable& table : tables) {
    configuration.sinks.push_back(read_sink(table));
    names.push_back(configuration.sinks.back().name);
  }
  check_names(tables, names, "sink");
  if (tables.empty() && needs == Needs::kSinks)
    root.error("no [[sink]]", "add one, so that entries have somewhere to go");
}

void read_sources(const ConfigTable& root, Needs needs, Configuration& configuration) {
  Fields fields = needs == Needs::kExplanation ? Fields::kAll : Fields::kAsNeeded;
  std::vector<std::string> sink_names, names;
  for (const SinkOptions& sink : configuration.sinks) sink_names.push_back(sink.name);
  std::vector<ConfigTable> tables = root.tables("source");
  size_t stdins = 0;
  for (const ConfigTable& table : tables) {
    auto source = std::make_shared<const SourceOptions>(read_source(table, sink_names, fields));
    names.push_back(source->name);
    if (source->type == SourceType::kStdin && ++stdins == 2)
      table.error_at("type", "two sources read standard input", "keep one of them");
    configuration.sources.push_back(std::move(source));
  }
  check_names(tables, names, "source");
  if (tables.empty()) root.error("no [[source]]", "add one, so that there is something to read");
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

Result<Configuration> read(const ConfigDocument& document, std::string_view text, Needs needs) {
  ConfigTable root = document.root();
  Configuration c;
  c.data_dir = root.string("data_dir", c.data_dir);
  if (c.data_dir.empty()) root.error_at("data_dir", "no folder", "for example \"/var/lib/skidway-agent\"");
  c.memory_limit_bytes = root.size("memory_limit", c.memory_limit_bytes);
  if (c.memory_limit_bytes < kLeastMemory)
    root.error_at("memory_limit", concat(c.memory_limit_bytes, " bytes is less than 4MiB"), "the default is \"64MiB\"");
  c.workers = static_cast<size_t>(root.integer("workers", 1, 1, kMostWorkers));
  c.http_listen = read_address(root.table("http"), "listen", c.http_listen);
  read_sinks(root, needs, c);
  read_sources(root, needs, c);
  TRY(document.finish());
  c.text = hide_secrets(text);
  return c;
}
}  // namespace

Result<Configuration> parse_configuration(std::string_view text, const std::string& name, Needs needs,
                                          const ConfigDocument::Environment& environment) {
  TRY_LET(ConfigDocument document, ConfigDocument::parse(text, name, environment));
  return read(document, text, needs);
}

Result<Configuration> load_configuration(const std::string& path, Needs needs) {
  TRY_LET(ConfigDocument document, ConfigDocument::load(path));
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return read(document, text.str(), needs);
}

}  // namespace agent
