#include "server/tail/tail_session.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Result;
using pipeline::UnixNanos;
using std::chrono::nanoseconds;

namespace {

constexpr uint16_t kInternalError = 1011;                    // as Loki closes with whatever goes wrong
constexpr nanoseconds kLookAgain = std::chrono::seconds(1);  // for entries that wait for their time: clocks are set
constexpr std::string_view kDropHelp = "Entries that a tail did not show, by reason.";

pipeline::Counter& dropped(pipeline::Registry& registry, std::string reason) {
  return registry.counter("skidway_server_tail_dropped_entries_total", std::string(kDropHelp),
                          {{"reason", std::move(reason)}});
}

uint64_t cost_of(const HeadAddition& addition) {
  const EntrySlice& entries = addition.run.entries;
  return entries.line_bytes() + entries.metadata_bytes() + entries.size() * 16 + sizeof(LiveRun);
}

// Oldest first. Where the limit has cut it, `begin` is the time of the oldest that is shown.
TailHistory history_of(const TailRequest& request, const TailFormat& format, QueryResult result, UnixNanos end) {
  TailHistory out{.entries = {}, .last_frame = result.last_frame, .begin = request.start, .end = end};
  for (const ResultStream& stream : std::get<ResultStreams>(result.data)) {
    for (auto entry = stream.entries.rbegin(); entry != stream.entries.rend(); ++entry) {
      out.entries.push_back(
          format.entry(entry->time, entry->line, stream.labels.labels(), entry->structured_metadata, entry->parsed));
    }
  }
  std::stable_sort(out.entries.begin(), out.entries.end(),
                   [](const TailEntry& a, const TailEntry& b) { return a.time < b.time; });
  if (out.entries.size() >= request.limit) out.begin = out.entries.front().time;
  return out;
}

}  // namespace

TailMeters::TailMeters(pipeline::Registry& registry)
    : active(registry.gauge("skidway_server_tails", "Open tails.")),
      sent(registry.counter("skidway_server_tail_entries_sent_total", "Entries sent to tails.")),
      dropped_slow(dropped(registry, "slow_client")),
      dropped_early(dropped(registry, "not_yet_due")),
      dropped_behind(dropped(registry, "behind")),
      refused(registry.counter("skidway_server_tails_refused_total", "Tails beyond max_concurrent_tail_requests.")) {
  registry.gauge_callback("loki_querier_tail_active", "Number of active tailers.",
                          [&active = active] { return static_cast<double>(active.value()); });
}

Result<std::shared_ptr<TailSession>> TailSession::create(std::shared_ptr<TailHouse> house, TailRequest request) {
  std::shared_ptr<TailSession> session(new TailSession(std::move(house), std::move(request)));
  TRY_LET(session->live_, LiveEntries::create(session->request_, session->format_));
  return session;
}

TailSession::TailSession(std::shared_ptr<TailHouse> house, TailRequest request)
    : house_(std::move(house)),
      request_(std::move(request)),
      format_(request_.legacy, request_.flags),
      queue_(house_->max_pending_bytes) {}

TailSession::~TailSession() = default;

void TailSession::on_open(pipeline::WebSocket& socket) {
  socket_ = &socket;
  if (!admit()) return;
  due_timer_ = std::make_unique<pipeline::Timer>(house_->doors.loop, [this] { send_due(); });
  end_timer_ = std::make_unique<pipeline::Timer>(
      house_->doors.loop, [this] { socket_->close(kInternalError, "reached tail max duration limit"); });
  listening_ = true;
  ++house_->tails[request_.tenant];
  house_->meters.active.add(1);
  if (auto most = house_->doors.limits.of(request_.tenant)->tail_max_duration; most.count() > 0)
    end_timer_->start(most);
  house_->doors.feed.listen(request_.tenant, *this);  // before the history: nothing comes between the two
  ask_history();
}

bool TailSession::admit() {
  const uint64_t limit = house_->doors.limits.of(request_.tenant)->max_concurrent_tail_requests;
  const auto open = house_->tails.find(request_.tenant);
  if (limit == 0 || open == house_->tails.end() || open->second < limit) return true;
  house_->meters.refused.add();
  socket_->close(kInternalError, concat("max concurrent tail requests limit exceeded, count > limit (",
                                        open->second + 1, " > ", limit, ")"));
  return false;
}

void TailSession::on_closed(uint16_t, std::string_view) {
  socket_ = nullptr;
  gone_->store(true, std::memory_order_relaxed);
  due_timer_.reset(), end_timer_.reset();
  if (!std::exchange(listening_, false)) return;
  house_->doors.feed.leave(request_.tenant, *this);
  house_->meters.active.add(-1);
  const auto open = house_->tails.find(request_.tenant);
  if (--open->second == 0) house_->tails.erase(open);
}

void TailSession::ask_history() {
  const UnixNanos now = house_->doors.clock.wall();
  RangeQuery query{request_.tenant, request_.query, request_.start, now, std::chrono::seconds(1), {}};
  query.log = {Direction::kBackward, request_.limit, nanoseconds(0), request_.categorize_labels};
  auto work = [self = shared_from_this(), query = std::move(query), now](QueryTurn& turn) mutable {
    Result<TailHistory> history = TailHistory();
    if (query.start < query.end) {
      auto result = self->house_->doors.engine.range(query, turn);
      history = result ? Result<TailHistory>(history_of(self->request_, self->format_, *std::move(result), now))
                       : Result<TailHistory>(pipeline::fail(result.error()));
    }
    pipeline::Loop& loop = self->house_->doors.loop;
    loop.post(
        [self = std::move(self), history = std::move(history)]() mutable { self->on_history(std::move(history)); });
  };
  auto submitted = house_->doors.scheduler.submit(request_.tenant, gone_, std::move(work));
  if (!submitted) on_history(pipeline::fail(submitted.error()));
}

void TailSession::on_history(Result<TailHistory> history) {
  if (!socket_) return;
  if (!history) return socket_->close(kInternalError, history.error().message);
  queue_.push_history(std::exchange(history->entries, {}));
  history_ = *std::move(history);
  history_done_ = true;
  send_due();
  process_arrived();
}

// Under the feed's lock: only what is needed to let the committer go on.
void TailSession::on_entries(uint64_t frame, std::span<const HeadAddition> added) {
  std::lock_guard lock(mutex_);
  for (const HeadAddition& addition : added) {
    if (!live_->wants(*addition.stream)) continue;
    const uint64_t cost = cost_of(addition);
    if (arrived_bytes_ + cost <= house_->max_pending_bytes) {
      arrived_bytes_ += cost;
      arrived_.push_back({frame, addition});
      continue;
    }
    missed_count_ += addition.run.entries.size();
    const pipeline::LabelSet labels = addition.stream->labels();
    for (const UnixNanos time : addition.run.entries.times) {
      if (missed_.size() >= TailQueue::kMaxRemembered) break;
      const auto shown = format_.entry(time, "", labels.labels(), {}, {});
      missed_.push_back({time, std::string(shown.labels())});
    }
  }
  if (posted_ || (arrived_.empty() && missed_count_ == 0)) return;
  posted_ = true;
  house_->doors.loop.post([self = shared_from_this()] { self->process_arrived(); });
}

void TailSession::process_arrived() {
  if (!socket_ || !history_done_ || processing_) return;
  take_over_dropped();
  std::vector<LiveRun> runs;
  {
    std::lock_guard lock(mutex_);
    posted_ = false;
    runs.swap(arrived_);
    arrived_bytes_ = 0;
  }
  if (runs.empty()) return send_due();
  processing_ = true;
  house_->pool->run(
      [self = shared_from_this(), runs = std::move(runs)] { return self->live_->process(runs, self->history_); },
      [self = shared_from_this()](Result<std::vector<TailEntry>> entries) {
        self->processing_ = false;
        if (entries) self->on_processed(*std::move(entries));
      });
}

void TailSession::on_processed(std::vector<TailEntry> entries) {
  if (!socket_) return;
  for (TailEntry& entry : entries) {
    if (queue_.push(std::move(entry))) continue;
    (socket_->writable() ? house_->meters.dropped_early : house_->meters.dropped_slow).add();
  }
  send_due();
  process_arrived();
}

void TailSession::take_over_dropped() {
  std::lock_guard lock(mutex_);
  house_->meters.dropped_behind.add(std::exchange(missed_count_, 0));
  for (DroppedEntry& entry : std::exchange(missed_, {})) queue_.drop(entry.time, std::move(entry.labels));
}

void TailSession::send_due() {
  if (!socket_ || !history_done_) return;
  const UnixNanos until = house_->doors.clock.wall() - nanoseconds(request_.delay).count();
  while (socket_ && socket_->writable()) {
    const std::vector<TailEntry> entries = queue_.take(until);
    if (entries.empty()) break;
    house_->meters.sent.add(entries.size());
    if (!socket_->send(format_.frame(entries, queue_.take_dropped()))) return;
  }
  if (socket_ && socket_->writable()) wait_for_due();  // else on_writable() goes on
}

void TailSession::wait_for_due() {
  if (queue_.empty()) return;
  const UnixNanos due = queue_.next_time() + nanoseconds(request_.delay).count();
  const auto wait = nanoseconds(due - house_->doors.clock.wall() + 1);
  due_timer_->start(std::clamp(wait, nanoseconds(std::chrono::milliseconds(1)), kLookAgain));
}

}  // namespace server
