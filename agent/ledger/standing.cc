#include "agent/ledger/standing.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/discovery/path_rules.h"
#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;

Step step_of_reason(std::string_view reason, std::string_view detail) {
  const size_t colon = reason.find(':');
  std::string why(colon == std::string_view::npos ? reason : reason.substr(colon + 1));
  if (!detail.empty()) why += concat(": ", detail);
  return {std::string(colon == std::string_view::npos ? "stages" : reason.substr(0, colon)), why};
}

Step spooled_step(const LedgerView& view, const LedgerView::Sink& sink) {
  std::string when = view.running ? "" : "; the agent does not run";
  if (sink.fault.text.empty()) return {"sink", concat("is sent from the sink's spool", when)};
  return {"sink", concat(sink.fault.text, "; what was read waits in the sink's spool", when)};
}

namespace {
// Where most was dropped; reading from the end of an old file is nobody's fault.
std::optional<Step> worst_drop(const std::vector<DroppedBytes>& dropped) {
  const DroppedBytes* worst = nullptr;
  for (const DroppedBytes& d : dropped)
    if (d.reason != "read:before_start" && (!worst || d.bytes > worst->bytes)) worst = &d;
  if (!worst) return std::nullopt;
  return step_of_reason(worst->reason, worst->detail);
}

Step waiting_step(const LedgerView& view, const LedgerView::Sink& sink, FileId file, const FileStanding& standing,
                  uint64_t position) {
  bool holds = sink.holds(file);
  std::string fault = sink.fault.text;
  if (!view.running) {
    if (!view.store_trouble.empty()) return {"checkpoint", concat("disk: ", view.store_trouble)};
    if (!holds) return {"agent", "it does not run; the rest is read when it does"};
    return {"sink", fault.empty() ? "the agent does not run; what has no answer is sent again when it does"
                                  : concat(fault, " (when the agent stopped)")};
  }
  auto reading = view.readings.find(file);
  bool paused = reading != view.readings.end() && reading->second.paused;
  if ((holds || paused) && !view.store_trouble.empty()) return {"checkpoint", concat("disk: ", view.store_trouble)};
  if ((holds || paused) && !fault.empty()) return {"sink", fault};
  if (holds) return {"batch", "in a batch that is being filled, or on its way"};
  if (paused)
    return {"read",
            "stands still: a stage limits the rate, another sink of the source is full, or memory_limit is reached"};
  if (reading == view.readings.end())
    return {"read", "is not being read: it waits for an elder file of its name, or for its pod's metadata"};
  if (standing.read_bytes < standing.size_bytes) return {"read", "is being read, or its last line has no end yet"};
  if (position < standing.read_bytes)
    return {"stages", "a stage holds lines back until more comes (multiline, partial lines)"};
  return {"read", "is being read"};
}

// What was dropped out of the spool may have been of this file, where nobody knows.
std::string done_reason(const SpoolStanding& spool) {
  if (spool.unknown.empty()) return "everything is acknowledged";
  std::string out =
      "everything is acknowledged or was in the sink's spool, of which was dropped, whatever file it is of:";
  for (const DroppedEntries& d : spool.unknown) out += concat(" ", d.volume.entries, " entries (", d.reason, ")");
  return out;
}

SinkStanding at_sink(const LedgerView& view, const std::string& name, const FileStanding& standing) {
  SinkStanding out;
  out.sink = name;
  auto sink = view.sinks.find(name);
  FileId file = *standing.file;
  uint64_t position = 0;
  if (sink != view.sinks.end()) {
    position = sink->second.position(file).value_or(0);
    out.dropped = sink->second.dropped(file, position);
    if (sink->second.in_spool) out.in_spool = sink->second.in_spool(file, position);
    out.spooled = out.in_spool == 0 && sink->second.spooled && sink->second.spooled(file);
    out.spool = sink->second.spool;
  }
  uint64_t dropped = 0;
  for (const DroppedBytes& d : out.dropped) dropped += d.bytes;
  const uint64_t kept = position > dropped ? position - dropped : 0;
  const uint64_t unread = standing.size_bytes > position ? standing.size_bytes - position : 0;
  out.in_spool = std::min(out.in_spool, kept);  // lines that went to several tenants are in several batches
  out.acked = kept - out.in_spool;
  out.waiting = unread + out.in_spool;
  Step step{"done", done_reason(out.spool)};
  if (unread > 0 && sink != view.sinks.end())
    step = waiting_step(view, sink->second, file, standing, position);
  else if (unread > 0)
    step = {"agent", "nothing was sent to this sink yet"};
  else if (out.in_spool > 0 || out.spooled)
    step = spooled_step(view, sink->second);
  else if (auto worst = worst_drop(out.dropped))
    step = *worst;
  out.step = std::move(step.step);
  out.reason = std::move(step.reason);
  return out;
}

void conclude(FileStanding& standing) {
  auto open = std::find_if(standing.sinks.begin(), standing.sinks.end(),
                           [](const SinkStanding& sink) { return sink.step != "done"; });
  if (open == standing.sinks.end())  // all are done; of one perhaps not all that its spool had
    open = std::find_if(standing.sinks.begin(), standing.sinks.end(),
                        [](const SinkStanding& sink) { return !sink.spool.unknown.empty(); });
  const bool is_all_done = open == standing.sinks.end();
  if (is_all_done) open = standing.sinks.begin();
  if (open == standing.sinks.end()) return;
  standing.step = open->step;
  standing.reason = standing.sinks.size() > 1 && !is_all_done ? concat(open->sink, ": ", open->reason) : open->reason;
}

const SourceOptions* source_called(const LedgerView& view, std::string_view name) {
  for (auto& source : view.sources)
    if (source && source->name == name) return source.get();
  return nullptr;
}

bool is_file_source(const SourceOptions& source) {
  return source.type == SourceType::kFile || source.type == SourceType::kKubernetes;
}

// Why nothing of `path` was read for `source`; nothing: the source does not want it.
std::optional<Step> refusal(const LedgerView& view, const SourceOptions& source, const std::string& path) {
  auto rules = PathRules::compile(source);
  if (!rules) return std::nullopt;
  if (!rules->matches(path)) {
    SourceOptions open = source;
    open.excludes.clear();
    auto wider = PathRules::compile(open);
    if (wider && wider->matches(path))
      return Step{"discovery", concat("excluded by `exclude` of source \"", source.name, "\"")};
    return std::nullopt;
  }
  Target target = make_target(source, path);
  for (const Target& told : view.targets)
    if (told.source == source.name && told.path == path) target = told;
  if (target.state == "dropped") return Step{"relabel", target.reason};
  if (::access(path.c_str(), R_OK) != 0) return Step{"open", pipeline::system_error("permission", errno).message};
  if (target.state == "failed") return Step{"open", target.reason};
  if (!view.running) return Step{"agent", "it does not run, and has never read this file"};
  return Step{"discovery", "found, and not given to a reader yet"};
}

void add_unread(const LedgerView& view, const std::string& path, std::vector<FileStanding>& found) {
  struct stat status {};
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (!exists && (errno == ENOENT || errno == ENOTDIR)) return;
  FileStanding standing;
  standing.path = path;
  standing.exists = exists;
  standing.size_bytes = exists ? static_cast<uint64_t>(status.st_size) : 0;
  standing.step = "discovery";
  standing.reason = "no source's `path` matches it";
  for (auto& source : view.sources) {
    if (!source || !is_file_source(*source)) continue;
    auto step = refusal(view, *source, path);
    if (!step) continue;
    standing.source = source->name;
    standing.step = step->step;
    standing.reason = step->reason;
    for (size_t sink : source->sinks) {
      SinkStanding at;
      at.sink = sink < view.sink_names.size() ? view.sink_names[sink] : "";
      at.waiting = standing.size_bytes;
      at.step = step->step;
      at.reason = step->reason;
      standing.sinks.push_back(std::move(at));
    }
    break;
  }
  found.push_back(std::move(standing));
}

// Logs of POD in any namespace, or of NAMESPACE/POD[/CONTAINER]. Folders are called NAMESPACE_POD_UID.
std::vector<std::string> pod_logs(const LedgerView& view, const std::string& what) {
  size_t slash = what.find('/');
  if (slash == 0) return {};
  const bool any_namespace = slash == std::string::npos;
  size_t second = any_namespace ? slash : what.find('/', slash + 1);
  std::string pod = any_namespace ? concat("_", what, "_")
                                  : concat(what.substr(0, slash), "_", what.substr(slash + 1, second - slash - 1), "_");
  std::string container = second == std::string::npos ? "" : what.substr(second + 1);
  std::set<std::string> paths;
  std::error_code error;
  for (auto& source : view.sources) {
    if (!source || source->type != SourceType::kKubernetes || source->paths.empty()) continue;
    for (std::filesystem::directory_iterator it(source->paths[0], error), end; !error && it != end;
         it.increment(error)) {
      const std::string folder = it->path().filename().string();
      if (any_namespace ? folder.find('_') != folder.find(pod) || folder.find(pod) == folder.npos
                        : !folder.starts_with(pod))
        continue;
      for (std::filesystem::recursive_directory_iterator file(it->path(), error), last; !error && file != last;
           file.increment(error)) {
        const std::string path = file->path().string();
        auto log = PodLogPath::parse(source->paths[0], path);
        if (log && (container.empty() || log->container_name == container)) paths.insert(path);
      }
    }
  }
  return {paths.begin(), paths.end()};
}

void add_path(const LedgerView& view, const std::string& path, std::vector<FileStanding>& found) {
  struct stat status {};
  bool exists = ::stat(path.c_str(), &status) == 0;
  size_t before = found.size();
  bool of_today = false;
  for (const auto& [id, record] : view.files) {
    bool same = exists && record.dev == status.st_dev && record.inode == status.st_ino;
    if (!same && record.path != path) continue;
    FileStanding standing = standing_of(view, id);
    standing.exists = same;
    if (same) {
      of_today = true;
      standing.path = path;
      if (auto step = source_called(view, record.source) ? refusal(view, *source_called(view, record.source), path)
                                                         : std::nullopt;
          step && step->step == "open" && standing.step != "done")
        standing.step = step->step, standing.reason = step->reason;
    } else if (exists) {
      standing.reason += " (an earlier file of this name)";
    }
    found.push_back(std::move(standing));
  }
  if (!of_today) add_unread(view, path, found);
  // The file of today first.
  std::stable_sort(found.begin() + static_cast<std::ptrdiff_t>(before), found.end(),
                   [](const FileStanding& a, const FileStanding& b) { return a.exists > b.exists; });
}
}  // namespace

FileStanding standing_of(const LedgerView& view, FileId file) {
  FileStanding standing;
  const FileRecord& record = view.files.at(file);
  standing.file = file;
  standing.source = record.source;
  standing.path = record.path;
  auto reading = view.readings.find(file);
  if (reading != view.readings.end()) {
    standing.exists = true;
    standing.size_bytes = reading->second.size_bytes;
    standing.read_bytes = reading->second.bytes;
  }
  // A running agent may not have looked at the file since it was written to: what was just written waits as well.
  struct stat status {};
  if (::stat(record.path.c_str(), &status) == 0 && record.dev == status.st_dev && record.inode == status.st_ino) {
    standing.exists = true;
    standing.size_bytes = std::max(standing.size_bytes, static_cast<uint64_t>(status.st_size));
  }
  const SourceOptions* source = source_called(view, record.source);
  for (auto& [name, sink] : view.sinks)  // of a renamed file, what is known to have been there
    standing.read_bytes = std::max(standing.read_bytes, sink.position(file).value_or(0));
  if (!standing.exists || standing.size_bytes < standing.read_bytes) standing.size_bytes = standing.read_bytes;
  if (!source) {
    standing.step = "discovery";
    standing.reason = concat("there is no source \"", record.source, "\" any more");
    return standing;
  }
  for (size_t sink : source->sinks)
    if (sink < view.sink_names.size()) standing.sinks.push_back(at_sink(view, view.sink_names[sink], standing));
  conclude(standing);
  return standing;
}

std::vector<FileStanding> where_is(const LedgerView& view, const std::string& what) {
  std::vector<FileStanding> found;
  if (!what.starts_with('/'))
    for (const std::string& path : pod_logs(view, what)) add_path(view, path, found);
  else
    add_path(view, what, found);
  return found;
}

}  // namespace agent
