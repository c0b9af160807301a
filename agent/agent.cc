#include "agent/agent.h"

#include <algorithm>
#include <iterator>
#include <malloc.h>
#include <unistd.h>

#include "agent/configuration_change.h"
#include "agent/sink/direct_sink.h"
#include "agent/sink/loki_sink.h"
#include "agent/spool/spool_damage.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"
#include "pipeline/base/metric_page.h"
#include "pipeline/base/process_usage.h"
#include "pipeline/base/program_text.h"
#include "pipeline/base/quantity.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

using pipeline::concat;
using pipeline::Error;
using pipeline::log_info;
using pipeline::log_warn;
using pipeline::Loop;
using pipeline::Registry;
using pipeline::Result;

namespace {
constexpr std::chrono::seconds kSweepEvery{5};
constexpr std::chrono::seconds kWatchMemoryEvery{1};
constexpr std::chrono::hours kForEver{24 * 365};

std::vector<std::string> names_of(const std::vector<SinkOptions>& sinks) {
  std::vector<std::string> names;
  for (const SinkOptions& sink : sinks) names.push_back(sink.name);
  return names;
}

pipeline::LabelSet labels_of(const SourceOptions& source, const std::string& path) {
  return make_target(source, path).labels;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(Loop& loop, Registry& registry, Configuration configuration,
                                             AgentMode mode) {
  if (mode == AgentMode::kDryRun) configuration = dry_run_of(std::move(configuration));
  std::unique_ptr<Agent> agent(new Agent(loop, registry, std::move(configuration), mode));
  TRY(agent->open_store());
  TRY(agent->build_sinks());
  agent->build_sources();
  return agent;
}

Agent::Agent(Loop& loop, Registry& registry, Configuration configuration, AgentMode mode)
    : loop_(loop),
      registry_(registry),
      configuration_(std::move(configuration)),
      mode_(mode),
      deleted_(std::make_shared<DeletedFiles>(configuration_.hold_deleted_bytes, registry)),
      memory_(std::make_shared<MemoryBudget>(configuration_.memory_limit_bytes)),
      disk_(pipeline::system_files()),
      open_files_(raise_open_file_limit(), registry),
      sweep_(loop,
             [this] {
               ledger_->sweep();
               streams_->sweep();
             }),
      memory_watch_(loop, [this] { watch_memory(); }) {
  registry.gauge_callback("skidway_agent_memory_used_bytes", "Blocks, open batches and waiting bodies together.",
                          [memory = memory_] { return static_cast<double>(memory->used_bytes()); });
  registry.gauge("skidway_agent_memory_limit_bytes", "What they may use together (memory_limit).")
      .set(static_cast<int64_t>(memory_->limit_bytes()));
}

// Readers go before the sinks whose ports they hold, the store before the sinks its last answers are for.
Agent::~Agent() {
  if (pods_) pods_->tell(nullptr);
  discovery_.reset();
  pods_.reset();
  streams_.reset();
  readers_.clear();
  ledger_.reset();
  store_.reset();
}

Result<void> Agent::open_store() {
  CheckpointStoreOptions options;
  for (const SinkOptions& sink : configuration_.sinks) options.sinks.push_back(sink.name);
  options.path = ":memory:";
  if (mode_ == AgentMode::kDeliver) {
    const std::string& folder = configuration_.data_dir;
    TRY(pipeline::system_files()->make_folders(folder));
    TRY_LET(lock_, pipeline::FolderLock::acquire(folder));
    options.path = folder + "/checkpoints.db";
  }
  TRY_LET(store_, CheckpointStore::open(std::move(options), registry_));
  return {};
}

Result<void> Agent::build_sinks() {
  for (const SinkOptions& options : configuration_.sinks) {
    TRY_LET(auto sink, make_sink(options));
    sinks_.push_back(std::move(sink));
  }
  if (mode_ == AgentMode::kDeliver) tell_forgotten_spools();
  return {};
}

// Spools of sinks that are not configured any more: what they hold is sent when their sink is there again.
void Agent::tell_forgotten_spools() {
  std::string folder = configuration_.data_dir + "/spool";
  auto names = disk_->list(folder);
  if (!names) return;  // often there is none
  for (const std::string& name : *names) {
    std::string sink = spool_sink_name(name);
    if (std::any_of(sinks_.begin(), sinks_.end(), [&](auto& s) { return s->name() == sink; })) continue;
    auto segments = list_spool(*disk_, concat(folder, "/", name));
    if (segments && !segments->empty())
      log_warn("spool of a sink that is not configured: it is kept, and sent when the sink is there again",
               {{"sink", sink}, {"folder", concat(folder, "/", name)}, {"segments", segments->size()}});
  }
}

Result<std::unique_ptr<Sink>> Agent::make_sink(const SinkOptions& options) {
  if (options.type == SinkType::kLoki) {
    SpoolPlace spool;
    if (mode_ == AgentMode::kDeliver)
      spool = {disk_.get(), concat(configuration_.data_dir, "/spool/", spool_folder_name(options.name))};
    TRY_LET(auto sink, LokiSink::create(loop_, options, *store_, *memory_, clock_, registry_, std::move(spool)));
    resume_spool_ledger(options.name);
    return std::unique_ptr<Sink>(std::move(sink));
  }
  int fd = options.type == SinkType::kStdout ? STDOUT_FILENO : DirectSink::kNoFd;
  auto broken = [this](Error error) { loop_.post([this, error] { sink_broken(error); }); };
  return std::unique_ptr<Sink>(std::make_unique<DirectSink>(loop_, options, fd, broken, *store_, registry_));
}

void Agent::build_sources() {
  ledger_ = std::make_unique<StoreLedger>(*store_, sink_pointers());
  files_ = readable_ = file_sources(configuration_);
  if (!files_.empty()) build_readers();
  auto sinks = [this](FileId stream) { return places_of(stream); };
  auto input_ended = [this] {
    if (configuration_.sources.size() == 1) stop(kForEver, Until::kSent);
  };
  streams_ =
      std::make_unique<StreamSet>(StreamSet::Parts{loop_, *store_, *memory_, clock_, registry_, sinks, input_ended},
                                  stream_sources(configuration_), names_of(configuration_.sinks));
}

void Agent::build_readers() {
  discovery_ = std::make_unique<Discovery>(loop_, files_, *ledger_, registry_, &open_files_);
  pods_ = std::make_unique<PodWatches>(loop_, store_.get(), registry_);
  pods_->tell(discovery_.get());
  discovery_->set_pod_metadata([this](const SourceOptions& source) { return pods_->find(source); });
  for (const auto& source : files_)
    if (source && source->type == SourceType::kKubernetes && !source->kubernetes)
      log_info("labels of pods come from the paths of their logs: no API is asked", {{"source", source->name}});
  for (size_t i = 0; i < configuration_.workers; i++) {
    FileReaderOptions options{.deleted = deleted_, .open_files = &open_files_, .labels_of = labels_of};
    auto reader = std::make_unique<FileReader>(std::move(options), files_, *ledger_, *memory_, clock_, registry_);
    reader->set_ports(open_ports([reader = reader.get()] { reader->wake(); }));
    discovery_->add_reader(*reader);
    readers_.push_back(std::move(reader));
  }
  share_rebuilds();
}

std::vector<std::unique_ptr<SinkPort>> Agent::open_ports(std::function<void()> on_room) {
  std::vector<std::unique_ptr<SinkPort>> ports;
  for (auto& sink : sinks_) ports.push_back(sink ? sink->open_port(on_room) : nullptr);
  return ports;
}

void Agent::share_rebuilds() {
  std::vector<std::vector<RebuildJob>> jobs(readers_.size());
  size_t next = 0;
  for (size_t port = 0; port < sinks_.size(); port++) {
    if (!sinks_[port]) continue;
    for (const BatchRecord& record : sinks_[port]->unacked()) jobs[next++ % jobs.size()].push_back({port, &record});
  }
  if (next > 0) log_info("batches of the last run are not acknowledged: they are sent again", {{"batches", next}});
  for (size_t i = 0; i < readers_.size(); i++) readers_[i]->set_rebuilds(std::move(jobs[i]));
}

void Agent::start(Ended ended) {
  ended_ = std::move(ended);
  sweep_.start_repeating(kSweepEvery);
  memory_watch_.start_repeating(kWatchMemoryEvery);
  store_->forget_resume();  // sinks and ledger have it, and the first scan needs the room
  ::malloc_trim(0);         // in other pieces
  if (discovery_) start_readers();
  started_ = true;
  for (const std::string& caution : cautions(configuration_)) log_warn("configuration", {{"caution", caution}});
  watch_memory();
  auto streaming = streams_->start([this](std::function<void()> on_room) { return open_ports(on_room); });
  if (!streaming) sink_broken(streaming.error());
}

// Memory that was freed and not given back to the system would count as needed: it is given back when it is short. So
// is the code that only the start has run: when the start is over.
void Agent::watch_memory() {
  streams_->save_ledgers();
  if (!start_is_over_ && unready().empty()) {
    start_is_over_ = true;
    pipeline::release_program_text();
  }
  uint64_t resident = pipeline::resident_bytes();
  if (resident > memory_->limit_bytes() - memory_->limit_bytes() / 8) {
    ::malloc_trim(0);
    resident = pipeline::resident_bytes();
  }
  memory_->note_resident(resident);
}

void Agent::start_readers() {
  for (auto& reader : readers_) reader->start(*discovery_);
  discovery_->start();
}

void Agent::stop(std::chrono::nanoseconds patience, Until until) {
  if (stopping_) return stop_sinks(patience, until);
  stopping_ = true;
  log_info("stopping", {{"patience", pipeline::format_duration(patience)}});
  sweep_.stop();
  memory_watch_.stop();
  if (pods_) pods_->stop();
  if (discovery_) discovery_->stop();
  streams_->stop();
  for (auto& reader : readers_) reader->stop();
  sinks_running_ = retiring_.size();
  for (auto& sink : sinks_) sinks_running_ += sink ? 1 : 0;
  stop_sinks(patience, until);
  if (sinks_running_ == 0) finish();
}

void Agent::stop_sinks(std::chrono::nanoseconds patience, Until until) {
  for (auto& sink : retiring_) sink->stop(patience, [] {});  // retire() has said what follows
  auto stopped = [this] {
    if (--sinks_running_ == 0) finish();
  };
  for (auto& sink : sinks_) {
    if (!sink) continue;
    if (until == Until::kSent)
      sink->finish(patience, stopped);
    else
      sink->stop(patience, stopped);
  }
}

void Agent::sink_broken(Error error) {
  if (outcome_) outcome_ = pipeline::fail(std::move(error));
  stop(std::chrono::nanoseconds(0));
}

void Agent::finish() {
  streams_->give_up();
  streams_->save_ledgers();
  ledger_->sweep();
  if (ended_) std::exchange(ended_, nullptr)(outcome_);
}

std::vector<Agent::Check> Agent::checks() const {
  return {{"checkpoints are open", store_ != nullptr},
          {"graph is built", started_},
          {"first scan is done", started_ && (!discovery_ || discovery_->first_scan_done())},
          {"not stopping", !stopping_}};
}

std::string Agent::unready() const {
  std::string out;
  for (const Check& check : checks())
    if (!check.passed) out += concat(out.empty() ? "" : ", ", "not yet true: ", check.name);
  return out;
}

std::string Agent::stage_metrics() const {
  pipeline::MetricPage page;
  auto add = [&](const SourceOptions& source) {
    page.set_labels({{"source", source.name}});
    if (source.stages) source.stages->append_metrics(page, clock_.wall());
  };
  for (auto& source : files_)
    if (source) add(*source);
  streams_->append_stage_metrics(page);
  page.set_labels({});
  add_ledger_metrics(page);
  return page.text();
}

std::vector<Target> Agent::targets() const {
  std::vector<Target> targets = discovery_ ? discovery_->targets() : std::vector<Target>();
  for (Target& target : streams_->targets()) targets.push_back(std::move(target));
  return targets;
}

std::vector<std::string> Agent::warnings() const {
  std::vector<std::string> all = streams_->warnings();
  for (std::string& caution : cautions(configuration_)) all.push_back(std::move(caution));
  return all;
}

std::vector<FileReader::Progress> Agent::progress() const {
  std::vector<FileReader::Progress> all;
  for (auto& reader : readers_) {
    std::vector<FileReader::Progress> some = reader->progress();
    if (all.empty()) {
      all = std::move(some);
      continue;
    }
    all.insert(all.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
  }
  return all;
}

}  // namespace agent
