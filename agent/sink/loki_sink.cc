#include "agent/sink/loki_sink.h"

#include <algorithm>

#include "agent/sink/push_request.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::log_warn;
using pipeline::Result;

Result<std::unique_ptr<LokiSink>> LokiSink::create(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store,
                                                   MemoryBudget& memory, const pipeline::Clock& clock,
                                                   pipeline::Registry& registry) {
  std::unique_ptr<LokiSink> sink(new LokiSink(loop, options, store, memory, clock, registry));
  LokiSink& s = *sink;
  BatchSenderParts parts{loop,
                         s.producer_.uuid,
                         store,
                         clock,
                         s.metrics_,
                         [&s] { return s.next_number(); },
                         [&s](std::shared_ptr<ClosedBatch> batch) { s.settle(*batch); }};
  TRY_LET(sink->sender_, BatchSender::create(std::move(options), std::move(parts)));
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
      self_(std::make_shared<LokiSink*>(this)) {
  hold_unacked(store.resume().sinks.at(name_));
}

LokiSink::~LokiSink() {
  stopped_ = true;
  if (!sender_) return;
  sender_->close();
  sender_->for_each([this](const ClosedBatch& batch) { account(batch, -1); });
  for (const auto& batch : ready_) account(*batch, -1);
}

void LokiSink::hold_unacked(const SinkResume& resume) {
  for (const BatchRecord& record : resume.records) {
    if (record.acked) continue;
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
  for (auto& batch : batches) {
    account(*batch, 1);
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

bool LokiSink::full() const {
  uint64_t batches = outstanding_batches_.load(std::memory_order_relaxed);
  uint64_t bytes = outstanding_bytes_.load(std::memory_order_relaxed);
  return batches >= most_closed_.load(std::memory_order_relaxed) || (batches > 0 && memory_.exceeded()) ||
         (batches > 1 && bytes > memory_.limit_bytes() / kMemoryShare) || window_full_.load(std::memory_order_relaxed);
}

void LokiSink::account(const ClosedBatch& batch, int64_t sign) {
  auto bytes = static_cast<int64_t>(batch.body->capacity());
  outstanding_batches_.fetch_add(static_cast<uint64_t>(sign), std::memory_order_relaxed);
  outstanding_bytes_.fetch_add(static_cast<uint64_t>(sign * bytes), std::memory_order_relaxed);
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

void LokiSink::ready(std::shared_ptr<ClosedBatch> batch) {
  newest_hold_ = std::max(newest_hold_, batch->hold);
  ready_.push_back(std::move(batch));
  send_more();
}

void LokiSink::send_more() {
  while (!stopped_ && !ready_.empty() && sender_->has_room()) {
    std::shared_ptr<ClosedBatch> next = std::move(ready_.front());
    ready_.pop_front();
    sender_->send(std::move(next));
  }
}

void LokiSink::settle(const ClosedBatch& batch) {
  progress_.release(batch.hold, batch.files);
  if (!batch.record->segments.empty() || batch.rebuilt) saver_.acked(batch.number);
  bool was_full = full();
  account(batch, -1);
  update_window();
  send_more();
  if ((was_full && !full()) || std::any_of(batch.files.begin(), batch.files.end(), is_stream)) call_on_room();
  if (stop_done_ && outstanding_batches_ == 0) finish_stop();
}

void LokiSink::update_window() {
  uint64_t oldest = newest_hold_;
  sender_->for_each([&](const ClosedBatch& batch) { oldest = std::min(oldest, batch.hold); });
  for (const auto& batch : ready_) oldest = std::min(oldest, batch->hold);
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
  send_more();
}

// --- the end

void LokiSink::stop(std::chrono::nanoseconds patience, std::function<void()> done) {
  if (!stop_done_) stop_done_ = std::move(done);
  if (stopped_) return;
  if (outstanding_batches_ == 0 || patience.count() <= 0) return finish_stop();
  stop_timer_ = std::make_unique<pipeline::Timer>(loop_, [this] { finish_stop(); });
  stop_timer_->start(patience);
}

void LokiSink::finish_stop() {
  if (stopped_) return;
  stopped_ = true;
  stop_timer_.reset();
  if (uint64_t left = outstanding_batches_; left > 0)
    log_warn("stopping with batches not acknowledged: they are sent at the next start",
             {{"sink", name_}, {"batches", left}});
  sender_->close();
  saver_.save();
  loop_.post(std::exchange(stop_done_, nullptr));
}

}  // namespace agent
