// Agent::change(): another configuration while the agent runs. What has to happen is worked out and tried first
// (configuration_change.h, Sink::prepare_change); then everything is done at once.
#include <algorithm>

#include "agent/agent.h"
#include "agent/configuration_change.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::log_info;
using pipeline::log_warn;
using pipeline::Result;

namespace {
constexpr std::chrono::seconds kRetirement{60};  // for the acks of a sink that was removed
}

struct Agent::SinkPlan {
  std::vector<size_t> slots;                   // of each sink of the next configuration
  std::vector<std::function<void()>> changes;  // of running ones
  std::vector<size_t> new_ports;               // slots whose ports are others afterwards
  std::vector<std::unique_ptr<Sink>> added;    // for the slots behind the last
  std::vector<size_t> removed;
};

Result<void> Agent::change(Configuration next, const std::string& name) {
  if (!started_ || stopping_) return fail(Errc::kUnavailable, "the agent is starting or stopping; try again");
  if (mode_ == AgentMode::kDryRun) next = dry_run_of(std::move(next));
  TRY(check_change(configuration_, next, name));
  TRY_LET(SinkPlan plan, plan_sinks(next));
  TRY(prepare_streams(next, plan));
  for (auto& change : plan.changes) change();
  for (auto& sink : plan.added) sinks_.push_back(std::move(sink));
  tell_ledger();
  const bool had_readers = discovery_ != nullptr;
  if (had_readers) change_sources(next, plan);
  change_streams(plan);
  for (size_t slot : plan.removed) retire(slot);
  tell_ledger();
  if (!had_readers) change_sources(next, plan);  // new readers open no ports of the sinks removed
  memory_->set_limit(next.memory_limit_bytes);
  deleted_->set_limit(next.hold_deleted_bytes);
  registry_.gauge("skidway_agent_memory_limit_bytes", "What they may use together (memory_limit).")
      .set(static_cast<int64_t>(memory_->limit_bytes()));
  configuration_ = std::move(next);
  for (const std::string& caution : cautions(configuration_)) log_warn("configuration", {{"caution", caution}});
  return {};
}

Result<Agent::SinkPlan> Agent::plan_sinks(const Configuration& next) {
  SinkPlan plan;
  for (const SinkOptions& options : next.sinks) {
    auto called = [&](const auto& sink) { return sink && sink->name() == options.name; };
    auto running = std::find_if(sinks_.begin(), sinks_.end(), called);
    if (running == sinks_.end()) {
      if (std::any_of(retiring_.begin(), retiring_.end(), called))
        return fail(Errc::kUnavailable,
                    concat("sink \"", options.name, "\" was removed a moment ago and is still sending; try again"));
      TRY(store_->add_sink(options.name));
      TRY_LET(auto sink, make_sink(options));
      plan.new_ports.push_back(sinks_.size() + plan.added.size());
      plan.slots.push_back(plan.new_ports.back());
      plan.added.push_back(std::move(sink));
      continue;
    }
    auto slot = static_cast<size_t>(running - sinks_.begin());
    plan.slots.push_back(slot);
    auto before = std::find_if(configuration_.sinks.begin(), configuration_.sinks.end(),
                               [&](const SinkOptions& o) { return o.name == options.name; });
    if (before != configuration_.sinks.end() && *before == options) continue;
    TRY_LET(auto change, (*running)->prepare_change(options));
    plan.changes.push_back(std::move(change));
    plan.new_ports.push_back(slot);
  }
  for (size_t slot = 0; slot < sinks_.size(); slot++)
    if (sinks_[slot] && std::find(plan.slots.begin(), plan.slots.end(), slot) == plan.slots.end())
      plan.removed.push_back(slot);
  return plan;
}

namespace {
// New ports of one reader. Those of removed sinks are null.
std::vector<ReaderChange::Port> change_ports(const std::vector<std::unique_ptr<Sink>>& sinks,
                                             const std::vector<size_t>& fresh, const std::vector<size_t>& removed,
                                             const std::function<void()>& on_room) {
  std::vector<ReaderChange::Port> ports;
  for (size_t slot : fresh) ports.push_back({slot, sinks[slot]->open_port(on_room)});
  for (size_t slot : removed) ports.push_back({slot, nullptr});
  return ports;
}
}  // namespace

void Agent::change_sources(const Configuration& next, const SinkPlan& plan) {
  SourceChange change = plan_sources(files_, file_sources(next), plan.slots);
  files_ = std::move(change.sources);
  readable_.resize(files_.size());
  for (size_t slot = 0; slot < files_.size(); slot++)
    if (files_[slot]) readable_[slot] = files_[slot];
  if (!discovery_) {
    if (files_.empty()) return;
    build_readers();
    return start_readers();
  }
  ReaderChange first;  // of the first reader: it builds again what an added sink left unacked at an earlier time
  for (size_t slot : plan.new_ports)
    if (slot + plan.added.size() >= sinks_.size())
      for (const BatchRecord& record : sinks_[slot]->unacked()) first.rebuilds.push_back({slot, &record});
  if (!first.rebuilds.empty()) {
    auto found = std::make_shared<FoundFiles>();
    for (auto& reader : readers_)
      reader->found().for_each([&](FileId id, const FoundFile& file) { (*found)[id] = file; });
    first.found = std::move(found);
  }
  for (auto& reader : readers_) reader->hold();
  discovery_->change_sources(files_, [&] {
    for (auto& reader : readers_) {
      ReaderChange mine = std::exchange(first, {});
      mine.sources = readable_;
      mine.restaged = change.restaged;
      mine.ports = change_ports(sinks_, plan.new_ports, plan.removed, [reader = reader.get()] { reader->wake(); });
      reader->change(std::move(mine));
    }
  });
  for (auto& reader : readers_) reader->release();
  pods_->keep(files_);
}

Result<void> Agent::prepare_streams(const Configuration& next, const SinkPlan& plan) {
  std::vector<std::string> names;  // by slot
  for (auto& sink : sinks_) names.push_back(sink ? sink->name() : "");
  for (auto& sink : plan.added) names.push_back(sink->name());
  return streams_->prepare(plan_sources(streams_->options(), stream_sources(next), plan.slots).sources,
                           std::move(names));
}

void Agent::change_streams(const SinkPlan& plan) {
  streams_->commit(
      [this](std::function<void()> on_room) { return open_ports(on_room); },
      [&](std::function<void()> on_room) { return change_ports(sinks_, plan.new_ports, plan.removed, on_room); });
}

// Its ports are gone by now; it sends what it has, its spool included.
void Agent::retire(size_t slot) {
  Sink* sink = retiring_.emplace_back(std::move(sinks_[slot])).get();
  log_info("sink removed", {{"sink", sink->name()}});
  sink->finish(kRetirement, [this, sink] {
    auto leaving = std::find_if(retiring_.begin(), retiring_.end(), [&](auto& s) { return s.get() == sink; });
    std::unique_ptr<Sink> gone = std::move(*leaving);
    retiring_.erase(leaving);
    tell_ledger();
    gone.reset();
    if (stopping_ && --sinks_running_ == 0) finish();
  });
}

std::vector<Sink*> Agent::sink_pointers() const {
  std::vector<Sink*> sinks;
  for (auto& sink : sinks_) sinks.push_back(sink.get());
  return sinks;
}

void Agent::tell_ledger() {
  std::vector<Sink*> retiring;
  for (auto& sink : retiring_) retiring.push_back(sink.get());
  ledger_->set_sinks(sink_pointers(), std::move(retiring));
}

}  // namespace agent
