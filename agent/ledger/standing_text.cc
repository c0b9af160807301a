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

}  // namespace

std::string standing_json(const FileStanding& s) {
  return concat("{\"path\":", json_string(path_text(s.path)), ",\"source\":", json_string(s.source),
                ",\"exists\":", s.exists ? "true" : "false", ",\"size\":", s.size_bytes, ",\"read\":", s.read_bytes,
                ",\"step\":", json_string(s.step), ",\"reason\":", json_string(s.reason),
                ",\"sinks\":", sinks_json(s.sinks), "}");
}

std::string spool_json(const SpoolStanding& spool) {
  std::string out = concat("{\"batches\":", spool.batches, ",\"entries\":", spool.waiting.entries,
                           ",\"bytes\":", spool.waiting.bytes, ",\"dropped\":{");
  for (size_t i = 0; i < spool.dropped.size(); i++)
    out += concat(i > 0 ? "," : "", json_string(spool.dropped[i].reason), ":", spool.dropped[i].volume.entries);
  return out + "}}";
}

std::string spool_text(const std::string& sink, const SpoolStanding& spool) {
  if (spool.empty()) return {};
  std::string out = concat("  spool    ", sink, ": ", spool.batches, " batches of ", spool.waiting.entries,
                           " entries, ", spool.waiting.bytes, " bytes wait there, of all it is given");
  for (const DroppedEntries& d : spool.dropped)
    out += concat("; ", d.volume.entries, " entries of it were dropped (", d.reason, ")");
  return out + "\n";
}

std::string sinks_json(const std::vector<SinkStanding>& sinks) {
  std::string out = "[";
  for (const SinkStanding& sink : sinks) {
    if (out.size() > 1) out += ',';
    out += concat("{\"sink\":", json_string(sink.sink), ",\"acked\":", sink.acked, ",\"waiting\":", sink.waiting,
                  ",\"in_spool\":", sink.in_spool, ",\"spooled\":", sink.spooled ? "true" : "false", ",\"dropped\":{");
    for (size_t i = 0; i < sink.dropped.size(); i++)
      out += concat(i > 0 ? "," : "", json_string(sink.dropped[i].reason), ":", sink.dropped[i].bytes);
    out += concat("},\"spool\":", spool_json(sink.spool), ",\"step\":", json_string(sink.step),
                  ",\"reason\":", json_string(sink.reason), "}");
  }
  return out + "]";
}

std::string standing_text(const std::vector<FileStanding>& standings) {
  std::string out;
  for (const FileStanding& s : standings) {
    out += concat(path_text(s.path), s.exists ? "" : "  (not there any more)", "\n");
    if (!s.source.empty()) out += concat("  source   ", s.source, "\n");
    out += concat("  size     ", s.size_bytes, " bytes, ", s.read_bytes, " read\n");
    for (const SinkStanding& sink : s.sinks) {
      out += concat("  sink     ", sink.sink, ": ", sink.acked, " acked, ", sink.waiting, " waiting",
                    sink.in_spool > 0 ? concat(" (", sink.in_spool, " of them in the sink's spool)") : "",
                    sink.spooled ? " (of what an older version spooled, perhaps not all is sent: see the spool)" : "");
      for (const DroppedBytes& d : sink.dropped) out += concat(", ", d.bytes, " dropped (", d.reason, ")");
      out += concat("\n", spool_text(sink.sink, sink.spool));
      if (s.sinks.size() > 1) out += concat("           ", sink.step, ": ", sink.reason, "\n");
    }
    out += concat("  stands   ", s.step, ": ", s.reason, "\n");
  }
  return out;
}

}  // namespace agent
