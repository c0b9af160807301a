#include "agent/whereis.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unistd.h>

#include "agent/checkpoint/checkpoint_tables.h"
#include "agent/configuration.h"
#include "agent/ledger/stream_standing.h"
#include "agent/sink/batch_losses.h"
#include "agent/sink/spool_shares.h"
#include "agent/spool/spool.h"
#include "agent/spool/spool_damage.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/folder_lock.h"
#include "pipeline/http/http_client.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Result;

namespace {
constexpr std::chrono::milliseconds kPatience{700};
constexpr uint64_t kLittleSpace = 64 << 10;  // SQLite writes no transaction into less

std::string url_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    auto byte = static_cast<uint8_t>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
      out += c;
    else
      out += concat("%", std::string(1, kDigits[byte >> 4]), std::string(1, kDigits[byte & 15]));
  }
  return out;
}

// An address to listen on as one to connect to.
std::string reachable(std::string address) {
  for (std::string_view any : {"0.0.0.0:", "[::]:", ":"})
    if (address.starts_with(any)) return concat("127.0.0.1:", address.substr(any.size()));
  return address;
}

Result<pipeline::HttpClientResponse> ask(const Configuration& configuration, const std::string& what, bool json) {
  pipeline::HttpClientRequest request;
  request.url = concat("http://", reachable(configuration.http_listen), "/whereis?what=", url_encoded(what),
                       json ? "&format=json" : "");
  request.timeout = kPatience;
  pipeline::HttpClientOptions options;
  options.connect_timeout = kPatience;
  return pipeline::http_fetch(std::move(request), std::move(options));
}

std::shared_ptr<const Resume> read_checkpoints(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return std::make_shared<const Resume>();  // it has never run
  auto resume = CheckpointTables::view(path);
  if (resume) return std::make_shared<const Resume>(std::move(*resume));
  std::fprintf(stderr, "the checkpoints cannot be read: %s\n", resume.error().message.c_str());
  return std::make_shared<const Resume>();
}

// What the checkpoints say of a sink; `losses`: of all.
LedgerView::Sink view_of(const std::string& name, const std::shared_ptr<const Resume>& resume,
                         const std::shared_ptr<LossLedger>& losses) {
  const SinkResume& sink = resume->sinks.at(name);
  LedgerView::Sink view;
  view.fault = sink.fault;
  view.position = [resume, &sink](FileId file) -> std::optional<uint64_t> {
    auto found = sink.positions.find(file);
    if (found == sink.positions.end()) return std::nullopt;
    return found->second.position;
  };
  view.dropped = [losses, name](FileId file, uint64_t position) { return losses->below(name, file, position); };
  auto held = std::make_shared<std::set<FileId>>();
  for (const BatchRecord& record : sink.records)
    for (const RecordSegment& segment : record.segments)
      if (!record.acked) held->insert(segment.file);
  view.holds = [held](FileId file) { return held->contains(file); };
  return view;
}

// What its spool has and lost. Indexes are read, and headers where there is none yet.
void look_into_spool(const std::string& data_dir, const std::string& name, const SinkResume& sink, LossLedger& losses,
                     LedgerView::Sink& view) {
  auto files = pipeline::system_files();
  const std::string folder = concat(data_dir, "/spool/", spool_folder_name(name));
  auto shares = std::make_shared<SpoolShares>(
      sink.producer.uuid, [position = view.position](FileId file) { return position(file).value_or(UINT64_MAX); });
  auto segments = list_spool(*files, folder);
  for (const SpoolName& segment : segments ? *segments : std::vector<SpoolName>()) {
    auto report = inspect_segment(*files, folder, segment, SpoolCheck::kHeaders,
                                  [&](const SpoolEntry& entry) { shares->add(entry.origins, false); });
    if (!report) continue;
    view.spool.batches += report->waiting_frames;
    view.spool.waiting.add({report->waiting_entries, report->waiting_line_bytes});
  }
  if (auto lost = read_spool_losses(*files, concat(folder, "/", kSpoolLossesName)))
    for (const LostFrame& frame : *lost)
      tell_losses(losses, name, frame, shares->home(), [&](FileId file) { return view.position(file).has_value(); });
  view.spool.dropped = losses.spooled(name);
  view.spool.unknown = losses.spooled_unknown(name);
  view.in_spool = [shares](FileId file, uint64_t) { return shares->below_position(file); };
  view.spooled = [shares](FileId file) { return shares->may_hold(file); };
}

LedgerView view_of(const Configuration& configuration, const std::shared_ptr<const Resume>& resume) {
  LedgerView view;
  view.sources = configuration.sources;
  for (const SinkOptions& sink : configuration.sinks) view.sink_names.push_back(sink.name);
  view.files = resume->files;
  auto found = resume->cursors.find(kLedgerCursors);
  const Cursors ledgers = found == resume->cursors.end() ? Cursors() : found->second;
  auto losses = std::make_shared<LossLedger>(*resume);
  for (const auto& [name, sink] : resume->sinks) {
    LedgerView::Sink& at = view.sinks[name] = view_of(name, resume, losses);
    for (const DroppedEntries& d : spool_ledger_of(ledgers, name))
      losses->note_spooled(name, d.reason, d.volume, d.detail);
    look_into_spool(configuration.data_dir, name, sink, *losses, at);
  }
  for (const auto& source : configuration.sources)
    if (source->type == SourceType::kStream) view.streams[source->name].lines = stream_ledger_of(ledgers, source->name);
  return view;
}
}  // namespace

int print_whereis(const CommonFlags& flags, const std::string& what, bool json) {
  auto configuration = load_configuration(flags.config, Needs::kSinks);
  if (!configuration) {
    std::fprintf(stderr, "%s\n", configuration.error().message.c_str());
    return 2;
  }
  if (!flags.data_dir.empty()) configuration->data_dir = flags.data_dir;
  auto answer = ask(*configuration, what, json);
  if (answer && (answer->status == 200 || answer->status == 404)) {
    std::fwrite(answer->body.data(), 1, answer->body.size(), answer->status == 200 ? stdout : stderr);
    return answer->status == 200 ? 0 : 1;
  }
  if (auto pid = pipeline::FolderLock::holder(configuration->data_dir))
    std::fprintf(stderr, "an agent runs (process %s), but does not answer at %s; from its checkpoints:\n", pid->c_str(),
                 configuration->http_listen.c_str());
  LedgerView view = view_of(*configuration, read_checkpoints(configuration->data_dir + "/checkpoints.db"));
  if (auto free = pipeline::system_files()->free_bytes(configuration->data_dir); free && *free < kLittleSpace)
    view.store_trouble = concat("the volume of ", configuration->data_dir, " is full: ", *free, " bytes are free");
  auto files = where_is(view, what);
  auto streams = where_are_streams(view, what);
  if (files.empty() && streams.empty()) {
    std::fprintf(stderr, "%s: it is not there, and nothing is known of it\n", what.c_str());
    return 1;
  }
  std::string text = json ? standings_json(files, streams) : concat(standing_text(files), stream_text(streams));
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace agent
