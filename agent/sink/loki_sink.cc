#include "agent/sink/loki_sink.h"

#include <algorithm>

#include "agent/sink/batch_losses.h"
#include "agent/sink/push_request.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::concat;

namespace {
constexpr std::chrono::milliseconds kWatchEvery{500};
constexpr std::chrono::seconds kLastSpooling{5};
}  // namespace

using pipeline::log_info;
using pipeline::log_warn;
using pipeline::Result;

Result<std::unique_ptr<LokiSink>> LokiSink::create(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store,
                                                   MemoryBudget& memory, const pipeline::Clock& clock,
                                                   pipeline::Registry& registry, SpoolPlace spool) {
  std::unique_ptr<LokiSink> sink(new LokiSink(loop, options, store, memory, clock, registry));
  LokiSink& s = *sink;
  BatchSenderParts parts{loop,
                         s.producer_.uuid,
                         store,
                         clock,
                         s.metrics_,
                         [&s] { return s.next_number(); },
                         [&s](std::shared_ptr<ClosedBatch> batch) { s.answered(batch); }};
  TRY_LET(sink->sender_, BatchSender::create(std::move(options), std::move(parts)));
  if (spool.files) TRY(sink->open_spool(std::move(spool)));
  sink->hold_unacked(store.resume().sinks.at(sink->name_));
  return sink;
}

LokiSink::LokiSink(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store, MemoryBudget& memory,
                   const pipeline::Clock& clock, pipeline::Registry& registry)
    : loop_(loop),
      name_(options.name),
      options_(std::move(options)),
      compression_(options_.compression),
      most_closed_(kQueueFactor * options_.max_in_flight),
      store_(store),
      memory_(memory),
      clock_(clock),
      metrics_(registry, name_, host_of(options_.url)),
      producer_(store.resume().sinks.at(name_).producer),
      kept_(store.resume().sinks.at(name_)),
      progress_(store.resume().sinks.at(name_).positions,
                [this](FilePosition first) { store_.save_positions(name_, {first}); }),
      saver_(loop, store, name_, progress_),
      watch_timer_(loop, [this] { watch(); }),
      self_(std::make_shared<LokiSink*>(this)) {}

LokiSink::~LokiSink() {
  stopped_ = true;
  if (sender_) sender_->close();
  if (lane_) {
    lane_->close();
    lane_->for_each([this](const Batch& batch) { account(*batch, -1); });
  }
  for (const Batch& batch : under_way_) account(*batch, -1);
  for (const Batch& batch : ready_) account(*batch, -1);
}

Result<void> LokiSink::open_spool(SpoolPlace place) {
  SpoolLane::Hooks hooks;
  hooks.spooled = [this](const Batch& batch, bool kept) { spooled(batch, kept); };
  hooks.refused = [this](std::deque<Batch> batches) { ready_.insert(ready_.begin(), batches.begin(), batches.end()); };
  hooks.arrived = [this](const Batch& batch) {
    account(*batch, 1);
    metrics_.come_back(batch->volume);
  };
  hooks.answered = [this](const Batch& batch) {
    if (batch->spooled) release(*batch);
    settle(batch);
  };
  hooks.position = [this](FileId file) {
    auto position = progress_.position(file);
    return position ? position->position : UINT64_MAX;
  };
  hooks.spool.dropped = [this](std::string_view reason, const SpoolVolume& volume) {
    metrics_.come_back({volume.entries, volume.line_bytes});
    metrics_.dropped(reason, {volume.entries, volume.line_bytes}, options_.tenant);
  };
  hooks.spool.lost = hooks.spool.lost_before = [this](const LostFrame& frame) { note_lost(frame); };
  hooks.spool.is_known = [this, home = spool_home(producer_.uuid)](uint64_t of, FileId file) {
    return of != home || progress_.position(file);
  };
  hooks.moved = [this] { pump(); };
  store_.losses().forget_spooled(name_);
  TRY_LET(lane_, SpoolLane::open({loop_, *place.files, clock_, metrics_.registry()}, name_, producer_,
                                 std::move(place.folder), options_.spool, std::move(hooks)));
  backlog_ = !lane_->empty();
  if (backlog_) post([](LokiSink& sink) { sink.pump(); });
  return {};
}

void LokiSink::hold_unacked(const SinkResume& resume) {
  std::set<BatchNumber> numbers;
  for (const BatchRecord& record : resume.records)
    if (!record.acked) numbers.insert(record.number);
  std::set<BatchNumber> kept = lane_ ? lane_->find(numbers) : std::set<BatchNumber>();
  for (const BatchRecord& record : resume.records) {
    if (record.acked) continue;
    if (kept.contains(record.number)) {  // sent from the spool; the crash came before the store knew
      saver_.acked(record.number);
      continue;
    }
    unacked_.push_back(record);
    Progress::Hold hold = progress_.new_hold();
    rebuild_holds_[record.number] = hold;
    for (const RecordSegment& segment : record.segments)
      for (const LineRange& range : segment.ranges) progress_.hold(hold, segment.file, range.begin);
  }
}

std::unique_ptr<SinkPort> LokiSink::open_port(std::function<void()> on_room) {
  on_room_.push_back(std::move(on_room));
  return std::make_unique<PushPort>(
      PushPortParts{options_, *this, progress_, kept_, memory_, metrics_, clock_, rebuild_holds_});
}

// --- from the shards

BatchNumber LokiSink::next_number() { return {producer_.epoch, last_seq_.fetch_add(1, std::memory_order_relaxed) + 1}; }

Compression LokiSink::encoding() const {
  Compression wanted = compression_.load(std::memory_order_relaxed);
  return wanted == Compression::kAuto ? Compression::kSnappy : wanted;
}

void LokiSink::take(std::vector<std::unique_ptr<ClosedBatch>> batches) {
  std::vector<std::shared_ptr<ClosedBatch>> shared;
  std::vector<std::shared_ptr<const BatchRecord>> records;
  outstanding_batches_.fetch_add(batches.size(), std::memory_order_relaxed);
  for (auto& batch : batches) {
    account(*batch, 1);
    outstanding_bytes_.fetch_add(batch->body->capacity(), std::memory_order_relaxed);
    if (!batch->rebuilt && !batch->record->segments.empty()) records.push_back(batch->record);
    shared.push_back(std::move(batch));
  }
  auto when_recorded = [weak = std::weak_ptr<LokiSink*>(self_), &loop = loop_, shared](Result<void> recorded) {
    if (!recorded) return;  // the store is closing: the bytes are read again at the next start
    loop.post([weak, shared] {
      if (auto self = weak.lock())
        for (auto& batch : shared) (*self)->ready(batch);
    });
  };
  if (records.empty()) return when_recorded({});
  store_.put_records(name_, std::move(records), std::move(when_recorded));
}

void LokiSink::give_up(const BatchRecord& record, Progress::Hold hold, const std::vector<FileId>& files) {
  log_warn("batch of an earlier run given up: its files are gone",
           {{"sink", name_}, {"epoch", record.number.epoch}, {"seq", record.number.seq}});
  progress_.release(hold, files);
  post([number = record.number](LokiSink& sink) { sink.saver_.acked(number); });
}

void LokiSink::dropped(FileId file, std::string_view reason, uint64_t bytes, uint64_t end) {
  store_.losses().note(name_, file, reason, bytes, end);
}

void LokiSink::lost(FileId stream, LostEntries lost) { store_.losses().note_entries(name_, stream, std::move(lost)); }

std::vector<LostEntries> LokiSink::take_lost(FileId stream) { return store_.losses().take_entries(name_, stream); }

bool LokiSink::full() const {
  uint64_t batches = outstanding_batches_.load(std::memory_order_relaxed);
  uint64_t bytes = outstanding_bytes_.load(std::memory_order_relaxed);
  return batches >= most_closed_.load(std::memory_order_relaxed) || (batches > 0 && memory_.exceeded()) ||
         (batches > 1 && bytes > memory_.available_bytes() / kMemoryShare) ||
         window_full_.load(std::memory_order_relaxed);
}

void LokiSink::account(const ClosedBatch& batch, int64_t sign) {
  auto bytes = static_cast<int64_t>(batch.body->capacity());
  if (sign > 0)
    memory_.add(static_cast<uint64_t>(bytes));
  else
    memory_.release(static_cast<uint64_t>(bytes));
  metrics_.queued(sign, sign * bytes);
}

// --- on the loop

void LokiSink::post(std::function<void(LokiSink&)> task) {
  loop_.post([weak = std::weak_ptr<LokiSink*>(self_), task = std::move(task)] {
    if (auto self = weak.lock()) task(**self);
  });
}

void LokiSink::ready(Batch batch) {
  newest_hold_ = std::max(newest_hold_, batch->hold);
  ready_.push_back(std::move(batch));
  pump();
}

void LokiSink::pump() {
  if (stopped_) return;
  send_more();
  spool_more();
  if (lane_ && ready_.empty()) lane_->nothing_waits();
  if (backlog_ && !watch_.away() && lane_->empty() &&
      std::none_of(under_way_.begin(), under_way_.end(), [](const Batch& batch) { return batch->spooled; })) {
    backlog_ = false;
    log_info("everything spooled is sent", {{"sink", name_}});
    lane_->trim();
  }
  if (stop_done_ && is_safe()) post([](LokiSink& sink) { sink.finish_stop(); });
}

void LokiSink::send_more() {
  while (sender_->has_room()) {
    Batch next = next_to_send();
    if (!next) return;
    under_way_.push_back(next);
    next->direct = !next->spooled;
    if (next->direct) direct_++;
    watch_.sent(clock_.monotonic());
    if (lane_ && !watch_timer_.active()) watch_timer_.start_repeating(kWatchEvery);
    sender_->send(std::move(next));
  }
}

LokiSink::Batch LokiSink::next_to_send() {
  const uint64_t window = options_.max_in_flight;
  const uint64_t share = window < 2 ? 0 : std::max<uint64_t>(1, window / kDirectShare);
  const bool direct = may_send_directly();
  if (lane_ && !lane_->empty() && !(direct && !ready_.empty() && direct_ < share)) {
    if (direct && under_way_.size() - direct_ >= window - share) return nullptr;  // the rest is for new batches
    return lane_->next();
  }
  if (!direct || ready_.empty()) return nullptr;
  Batch next = std::move(ready_.front());
  ready_.pop_front();
  return next;
}

bool LokiSink::may_send_directly() const {
  if (!lane_) return true;
  if (options_.spool.mode == SpoolMode::kAlways) return false;
  if (watch_.away()) return options_.spool.mode == SpoolMode::kOff && lane_->empty();
  return lane_->empty() || backlog_is_young();
}

bool LokiSink::backlog_is_young() const {
  auto oldest = lane_->oldest();
  return !oldest || clock_.wall() - *oldest < std::chrono::nanoseconds(kYoung).count();
}

void LokiSink::spool_more() {
  const SpoolMode mode = options_.spool.mode;
  if (!lane_ || mode == SpoolMode::kOff || !lane_->ready_for_more()) return;
  const bool away = watch_.away() || leaving_;
  if (!away && mode != SpoolMode::kAlways && lane_->empty()) return;
  std::vector<Batch> under_way;
  if (away)
    std::copy_if(under_way_.begin(), under_way_.end(), std::back_inserter(under_way),
                 [](const Batch& batch) { return !batch->spooled; });
  if (under_way.empty() && ready_.empty()) return;
  bool keep = !away && lane_->has_room_ahead();
  lane_->append(std::move(under_way), std::exchange(ready_, {}), keep);
}

void LokiSink::answered(const Batch& batch) {
  std::erase(under_way_, batch);
  if (batch->direct) direct_--;
  batch->answered = true;
  if (!sender_->is_away() && watch_.answered(clock_.monotonic(), !under_way_.empty()))
    log_info("sink answers again", {{"sink", name_},
                                    {"spooled_batches", lane_ ? lane_->status().waiting.frames : 0},
                                    {"spooled_bytes", lane_ ? lane_->status().bytes : 0}});
  account(*batch, -1);
  if (!batch->entering_spool) settle(batch);
  pump();
}

void LokiSink::settle(const Batch& batch) {
  if (batch->spooled) return note_lost(lane_->done(*batch));
  note_losses(store_.losses(), name_, *batch);
  release(*batch);
}

void LokiSink::note_lost(const LostFrame& frame) {
  tell_losses(store_.losses(), name_, frame, spool_home(producer_.uuid),
              [this](FileId file) { return progress_.position(file).has_value(); });
}

void LokiSink::spooled(const Batch& batch, bool kept) {
  if (!kept) {
    account(*batch, -1);
    metrics_.leave(batch->volume);
    backlog_ = true;
  }
  release(*batch);
}

SpoolVolume LokiSink::spool_waiting() const {
  if (!lane_) return {};
  SpoolVolume all = lane_->status().waiting;
  auto add = [&](const Batch& batch) {
    if (batch->spooled) all.add(SpoolVolume{1, batch->volume.entries, batch->volume.bytes});
  };
  lane_->for_each(add);
  std::for_each(under_way_.begin(), under_way_.end(), add);
  return all;
}

void LokiSink::release(const ClosedBatch& batch) {
  bool was_full = full();
  progress_.release(batch.hold, batch.files);
  if (!batch.record->segments.empty() || batch.rebuilt) saver_.acked(batch.number);
  outstanding_batches_.fetch_sub(1, std::memory_order_relaxed);
  outstanding_bytes_.fetch_sub(batch.body->capacity(), std::memory_order_relaxed);
  update_window();
  if ((was_full && !full()) || std::any_of(batch.files.begin(), batch.files.end(), is_stream)) call_on_room();
}

// Only while something is under way: an idle sink costs nothing.
void LokiSink::watch() {
  if (under_way_.empty() || stopped_) return watch_timer_.stop();
  if (!watch_.check(clock_.monotonic(), sender_->is_away(), full())) return;
  backlog_ = true;
  if (options_.spool.mode != SpoolMode::kOff)
    log_warn("sink is away: batches go to the spool", {{"sink", name_}, {"limit_bytes", options_.spool.limit_bytes}});
  pump();
}

void LokiSink::update_window() {
  uint64_t oldest = newest_hold_;
  auto look_at = [&](const Batch& batch) {
    if (!batch->spooled) oldest = std::min(oldest, batch->hold);
  };
  std::for_each(under_way_.begin(), under_way_.end(), look_at);
  std::for_each(ready_.begin(), ready_.end(), look_at);
  if (lane_) lane_->for_each(look_at);
  window_full_ = newest_hold_ - oldest > kWindow;
}

void LokiSink::call_on_room() {
  for (auto& on_room : on_room_) on_room();
}

// --- a change of the configuration

Result<std::function<void()>> LokiSink::prepare_change(SinkOptions options) {
  TRY_LET(std::function<void()> change_sender, sender_->prepare_change(options));
  return std::function<void()>([this, options = std::move(options), change_sender = std::move(change_sender)] {
    change_sender();
    change(options);
  });
}

void LokiSink::change(SinkOptions options) {
  options_ = std::move(options);
  compression_ = options_.compression;
  most_closed_ = kQueueFactor * options_.max_in_flight;
  metrics_.set_host(host_of(options_.url));
  on_room_.clear();
  if (lane_) lane_->change(options_.spool);
  pump();
}

// --- the end

void LokiSink::stop(std::chrono::nanoseconds patience, std::function<void()> done) {
  send_all_ = false;
  if (!stop_done_) stop_done_ = std::move(done);
  if (stopped_) return;
  if (lane_) lane_->leave_disk();
  if (is_safe() || patience.count() <= 0) return finish_stop();
  stop_timer_ = std::make_unique<pipeline::Timer>(loop_, [this] { patience_over(); });
  stop_timer_->start(patience);
}

void LokiSink::finish(std::chrono::nanoseconds patience, std::function<void()> done) {
  if (!stop_done_) stop_done_ = std::move(done);
  if (stopped_) return;
  send_all_ = true;
  if (is_safe()) return finish_stop();
  stop_timer_ = std::make_unique<pipeline::Timer>(loop_, [this] { patience_over(); });
  stop_timer_->start(patience);
}

bool LokiSink::is_safe() const {
  if (outstanding_batches_ > 0) return false;
  if (send_all_) return under_way_.empty() && (!lane_ || lane_->empty());
  return watch_.away() || (under_way_.empty() && !(lane_ && lane_->has_ahead()));  // what is in memory can be sent
}

// What was not acked in time may be the only copy: it goes to the spool, if there is one.
void LokiSink::patience_over() {
  if (!lane_ || options_.spool.mode == SpoolMode::kOff || outstanding_batches_ == 0 || leaving_) return finish_stop();
  leaving_ = true;
  stop_timer_->start(kLastSpooling);
  pump();
}

void LokiSink::finish_stop() {
  if (stopped_) return;
  stopped_ = true;
  stop_timer_.reset();
  watch_timer_.stop();
  if (uint64_t left = outstanding_batches_; left > 0)
    log_warn("stopping with batches not acknowledged: they are sent at the next start",
             {{"sink", name_}, {"batches", left}});
  sender_->close();
  if (lane_) {
    lane_->close();
    if (uint64_t left = lane_->status().waiting.frames + lane_->status().taken; left > 0)
      log_info("stopping with batches in the spool: they are sent at the next start",
               {{"sink", name_}, {"batches", left}});
  }
  saver_.save();
  loop_.post(std::exchange(stop_done_, nullptr));
}

}  // namespace agent
