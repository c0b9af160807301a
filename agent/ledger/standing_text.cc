#include "agent/ledger/standing.h"
#include "agent/source/path_text.h"
#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::append_json_string;
using pipeline::concat;

namespace {
std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string json_of(const FileStanding& s) {
  return concat("{\"path\":", json_string(path_text(s.path)), ",\"source\":", json_string(s.source),
                ",\"exists\":", s.exists ? "true" : "false", ",\"size\":", s.size_bytes, ",\"read\":", s.read_bytes,
                ",\"step\":", json_string(s.step), ",\"reason\":", json_string(s.reason),
                ",\"sinks\":", sinks_json(s.sinks), "}");
}
}  // namespace

std::string sinks_json(const std::vector<SinkStanding>& sinks) {
  std::string out = "[";
  for (const SinkStanding& sink : sinks) {
    if (out.size() > 1) out += ',';
    out += concat("{\"sink\":", json_string(sink.sink), ",\"acked\":", sink.acked, ",\"waiting\":", sink.waiting,
                  ",\"spooled\":", sink.spooled ? "true" : "false", ",\"dropped\":{");
    for (size_t i = 0; i < sink.dropped.size(); i++)
      out += concat(i > 0 ? "," : "", json_string(sink.dropped[i].reason), ":", sink.dropped[i].bytes);
    out += concat("},\"step\":", json_string(sink.step), ",\"reason\":", json_string(sink.reason), "}");
  }
  return out + "]";
}

std::string standing_json(const std::vector<FileStanding>& standings) {
  std::string out = "[";
  for (const FileStanding& standing : standings) out += concat(out.size() > 1 ? ",\n" : "", json_of(standing));
  return out + "]\n";
}

std::string standing_text(const std::vector<FileStanding>& standings) {
  std::string out;
  for (const FileStanding& s : standings) {
    out += concat(path_text(s.path), s.exists ? "" : "  (not there any more)", "\n");
    if (!s.source.empty()) out += concat("  source   ", s.source, "\n");
    out += concat("  size     ", s.size_bytes, " bytes, ", s.read_bytes, " read\n");
    for (const SinkStanding& sink : s.sinks) {
      out += concat("  sink     ", sink.sink, ": ", sink.acked, " acked, ", sink.waiting, " waiting",
                    sink.spooled ? " (not all of it sent: see the spool)" : "");
      for (const DroppedBytes& d : sink.dropped) out += concat(", ", d.bytes, " dropped (", d.reason, ")");
      out += "\n";
      if (s.sinks.size() > 1) out += concat("           ", sink.step, ": ", sink.reason, "\n");
    }
    out += concat("  stands   ", s.step, ": ", s.reason, "\n");
  }
  return out;
}

}  // namespace agent
