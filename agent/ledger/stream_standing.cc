#include "agent/ledger/stream_standing.h"

#include <algorithm>

#include "agent/checkpoint/loss_ledger.h"
#include "pipeline/base/concat.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;

namespace {
constexpr std::string_view kDocker = "docker";
constexpr std::string_view kContainers = "docker://";  // and the name: the path of a container's target
constexpr size_t kShortestId = 4;                      // of a container

// What the account calls it; empty: it is not told apart.
std::string origin_of(const SourceOptions& source, const Target& target) {
  if (source.stream_type != kDocker || !target.path.starts_with(kContainers)) return {};
  return target.path.substr(kContainers.size());
}

bool is_called(const SourceOptions& source, const Target& target, const std::string& what) {
  if (target.path == what) return true;
  if (source.stream_type != kDocker) return false;
  if (origin_of(source, target) == what) return true;
  auto id = target.discovered.get("__meta_docker_container_id");
  return what.size() >= kShortestId && id && id->starts_with(what);
}

// Why it brings nothing, if it does not.
std::optional<Step> trouble(const Target& target) {
  if (target.state == "dropped") return Step{"relabel", target.reason};
  if (target.state == "failed") return Step{"read", target.reason};
  if (target.state == "waiting") return Step{"discovery", target.reason};
  if (target.state == "finished" && !target.reason.empty()) return Step{"discovery", target.reason};
  return std::nullopt;
}

std::optional<Step> trouble(const LedgerView& view, const SourceOptions& source, const Target* target) {
  if (target) return trouble(*target);
  for (const Target& one : view.targets)
    if (one.source == source.name && one.state == "failed") return trouble(one);
  return std::nullopt;
}

Step waiting_step(const LedgerView& view, const LedgerView::Sink& sink, const std::string& hold) {
  const std::string& fault = sink.fault.text;
  if (!view.running)
    return {"sink", fault.empty() ? "the agent does not run; this was not acknowledged, to its sender neither"
                                  : concat(fault, " (when the agent stopped)")};
  if (!fault.empty()) return {"sink", fault};
  if (!hold.empty()) return {"stages", hold};
  return {"batch", "in a batch that is being filled, or on its way"};
}

Step step_at(const LedgerView& view, const LedgerView::Sink& sink, const StreamSinkStanding& at,
             const LedgerView::Stream::Way& way) {
  if (at.waiting.entries > 0) return waiting_step(view, sink, way.hold);
  if (sink.spooled && sink.spooled(way.id)) return spooled_step(view, sink);
  auto worst = std::max_element(at.dropped.begin(), at.dropped.end(),
                                [](const auto& a, const auto& b) { return a.volume.entries < b.volume.entries; });
  if (worst != at.dropped.end()) return step_of_reason(worst->reason, worst->detail);
  if (!at.spool.dropped.empty()) return step_of_reason(at.spool.dropped[0].reason, at.spool.dropped[0].detail);
  return {"done", "everything is acknowledged"};
}

std::string volume_json(const EntryVolume& volume) {
  return concat("{\"entries\":", volume.entries, ",\"bytes\":", volume.bytes, "}");
}

std::string json_string(std::string_view text) {
  std::string out;
  pipeline::append_json_string(out, text);
  return out;
}

std::string volume_text(const EntryVolume& volume, std::string_view what) {
  return concat(volume.entries, " ", what, " (", volume.bytes, " bytes)");
}
}  // namespace

StreamStanding standing_of(const LedgerView& view, const SourceOptions& source, const Target* target) {
  StreamStanding standing;
  standing.source = source.name;
  standing.type = source.stream_type;
  standing.place = target ? target->path : source.stream ? source.stream->place() : "";
  const std::string origin = target ? origin_of(source, *target) : "";
  auto known = view.streams.find(source.name);
  const LedgerView::Stream stream = known == view.streams.end() ? LedgerView::Stream() : known->second;
  for (size_t slot : source.sinks) {
    if (slot >= view.sink_names.size()) continue;
    StreamSinkStanding at;
    at.sink = view.sink_names[slot];
    EntryVolume received;
    for (const StreamLine& line : stream.lines) {
      if (line.sink != at.sink || (!origin.empty() && line.origin != origin)) continue;
      received.add(line.received), at.acked.add(line.acked), at.waiting.add(line.waiting);
      for (const DroppedEntries& d : line.dropped) add_dropped(at.dropped, d);
    }
    if (received.entries > standing.received.entries) standing.received = received;
    auto sink = view.sinks.find(at.sink);
    if (sink != view.sinks.end()) {
      at.spool = sink->second.spool;
      auto way = stream.ways.find(at.sink);
      Step step = step_at(view, sink->second, at, way == stream.ways.end() ? LedgerView::Stream::Way() : way->second);
      at.step = std::move(step.step), at.reason = std::move(step.reason);
    } else {
      at.step = "agent", at.reason = "nothing was sent to this sink yet";
    }
    standing.sinks.push_back(std::move(at));
  }
  auto open = std::find_if(standing.sinks.begin(), standing.sinks.end(),
                           [](const StreamSinkStanding& sink) { return sink.step != "done"; });
  const bool all_done = open == standing.sinks.end();
  if (all_done) open = standing.sinks.begin();
  if (open != standing.sinks.end()) {
    standing.step = open->step;
    standing.reason = standing.sinks.size() > 1 && !all_done ? concat(open->sink, ": ", open->reason) : open->reason;
  }
  if (!all_done && open->step != "done" && open->waiting.entries > 0) return standing;
  if (auto why = trouble(view, source, target)) {
    standing.step = why->step, standing.reason = why->reason;
  } else if (all_done && !view.running) {
    standing.step = "agent";
    standing.reason = "it does not run; what comes meanwhile is read, or sent to it again, when it does";
  }
  return standing;
}

std::vector<StreamStanding> where_are_streams(const LedgerView& view, const std::string& what) {
  std::vector<StreamStanding> found;
  for (const auto& source : view.sources) {
    if (!source || source->type != SourceType::kStream) continue;
    if (source->name == what) {
      found.push_back(standing_of(view, *source));
      continue;
    }
    const size_t before = found.size();
    for (const Target& target : view.targets)
      if (target.source == source->name && is_called(*source, target, what))
        found.push_back(standing_of(view, *source, &target));
    if (found.size() > before) continue;
    if (source->stream && source->stream->place() == what) found.push_back(standing_of(view, *source));
    auto known = view.streams.find(source->name);
    if (known == view.streams.end() || what.empty()) continue;
    const bool heard = std::any_of(known->second.lines.begin(), known->second.lines.end(),
                                   [&](const StreamLine& line) { return line.origin == what; });
    const Target gone{.source = source->name, .path = concat(kContainers, what)};
    if (heard) found.push_back(standing_of(view, *source, &gone));
  }
  return found;
}

std::string stream_text(const std::vector<StreamStanding>& standings) {
  std::string out;
  for (const StreamStanding& s : standings) {
    out += concat(s.place.empty() ? s.source : s.place, "\n  source   ", s.source, " (", s.type, ")\n");
    out += concat("  received ", volume_text(s.received, "entries"), "\n");
    for (const StreamSinkStanding& sink : s.sinks) {
      out += concat("  sink     ", sink.sink, ": ", volume_text(sink.acked, "acked"), ", ",
                    volume_text(sink.waiting, "waiting"));
      for (const DroppedEntries& d : sink.dropped)
        out += concat(", ", volume_text(d.volume, "dropped"), " (", d.reason, ")");
      out += concat("\n", spool_text(sink.sink, sink.spool));
      if (s.sinks.size() > 1) out += concat("           ", sink.step, ": ", sink.reason, "\n");
    }
    out += concat("  stands   ", s.step, ": ", s.reason, "\n");
  }
  return out;
}

std::string stream_sinks_json(const std::vector<StreamSinkStanding>& sinks) {
  std::string out = "[";
  for (const StreamSinkStanding& sink : sinks) {
    out +=
        concat(out.size() > 1 ? "," : "", "{\"sink\":", json_string(sink.sink), ",\"acked\":", volume_json(sink.acked),
               ",\"waiting\":", volume_json(sink.waiting), ",\"spool\":", spool_json(sink.spool), ",\"dropped\":{");
    for (size_t i = 0; i < sink.dropped.size(); i++)
      out += concat(i > 0 ? "," : "", json_string(sink.dropped[i].reason), ":", volume_json(sink.dropped[i].volume));
    out += concat("},\"step\":", json_string(sink.step), ",\"reason\":", json_string(sink.reason), "}");
  }
  return out + "]";
}

std::string stream_json(const StreamStanding& s) {
  return concat("{\"stream\":", json_string(s.place), ",\"source\":", json_string(s.source),
                ",\"type\":", json_string(s.type), ",\"received\":", volume_json(s.received),
                ",\"step\":", json_string(s.step), ",\"reason\":", json_string(s.reason),
                ",\"sinks\":", stream_sinks_json(s.sinks), "}");
}

std::string standings_json(const std::vector<FileStanding>& files, const std::vector<StreamStanding>& streams) {
  std::string out = "[";
  for (const FileStanding& one : files) out += concat(out.size() > 1 ? ",\n" : "", standing_json(one));
  for (const StreamStanding& one : streams) out += concat(out.size() > 1 ? ",\n" : "", stream_json(one));
  return out + "]\n";
}

}  // namespace agent
