#include "agent/target_text.h"

#include <map>

#include "agent/source/path_text.h"
#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::append_json_string;
using pipeline::concat;
using pipeline::LabelSet;

namespace {
void append_member(std::string& out, std::string_view name, std::string_view value) {
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

std::string labels_json(const LabelSet& set) {
  std::string out = "{";
  for (auto& [name, value] : set.labels()) {
    if (out.size() > 1) out += ',';
    append_member(out, name, value);
  }
  return out + "}";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

constexpr std::string_view kPageHead =
    "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Targets - skidway-agent</title>\n"
    "<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border-bottom:1px solid #ccc;padding:.3em .8em;text-align:left;vertical-align:top}"
    "code{font-size:90%}</style></head>\n<body><h1>Targets</h1>\n";
}  // namespace

std::string target_json(const Target& target) {
  std::string out = "{";
  append_member(out, "source", target.source);
  out += ',';
  append_member(out, "path", path_text(target.path));
  out += concat(",\"discovered\":", labels_json(target.discovered), ",\"labels\":", labels_json(target.labels), ",");
  append_member(out, "state", target.state);
  out += ',';
  append_member(out, "reason", target.reason);
  return out + "}";
}

std::string targets_table(const std::vector<Target>& targets) {
  std::string out;
  for (const Target& target : targets) {
    out += concat(target.source, "  ", target.state, "  ", target.path, "\n");
    out += concat("    ", target.labels.empty() ? target.reason : target.labels.text(), "\n");
    if (!target.labels.empty() && !target.reason.empty()) out += concat("    ", target.reason, "\n");
  }
  return out.empty() ? "nothing would be read\n" : out;
}

std::string targets_page(const std::vector<Target>& targets, const std::vector<FileReader::Progress>& progress) {
  std::map<std::string_view, const FileReader::Progress*> by_path;
  for (const FileReader::Progress& file : progress) by_path[file.path.view()] = &file;
  std::string out(kPageHead);
  out += concat("<p>", targets.size(), " targets. The same as JSON: <a href=\"/targets?format=json\">",
                "/targets?format=json</a></p>\n<table><tr><th>Source</th><th>Path</th><th>State</th>",
                "<th>Labels</th><th>Read</th><th>Size</th></tr>\n");
  for (const Target& target : targets) {
    auto file = by_path.find(target.path);
    std::string read, size;
    if (file != by_path.end())
      read = std::to_string(file->second->read_bytes), size = std::to_string(file->second->size_bytes);
    out += concat("<tr><td>", escaped(target.source), "</td><td>", escaped(path_text(target.path)), "</td><td>",
                  escaped(target.state), target.reason.empty() ? "" : ": ", escaped(target.reason), "</td><td><code>",
                  escaped(target.labels.text()), "</code></td><td>", read, "</td><td>", size, "</td></tr>\n");
  }
  return out + "</table></body></html>\n";
}

}  // namespace agent
