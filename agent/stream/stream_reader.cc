#include "agent/stream/stream_reader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/source/source_metrics.h"
#include "agent/stream/entry_drops.h"
#include "agent/stream/stream_labels.h"
#include "agent/stream/stream_lanes.h"
#include "pipeline/base/invariant.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::LabelSet;
using pipeline::LabelTable;
using pipeline::UnixNanos;
using std::chrono::nanoseconds;

namespace {
constexpr size_t kChunkBytes = 256 << 10;  // of lines that go through the stages at once
constexpr nanoseconds kLookAgain = 50ms;   // whether the memory has room: nobody tells

StreamAccount::Again again(const SourceOptions& source) {
  return source.can_be_read_again ? StreamAccount::Again::kYes : StreamAccount::Again::kNo;
}

FileId next_stream() {
  static std::atomic<uint64_t> last{kFirstStream};
  return {last.fetch_add(1, std::memory_order_relaxed) + 1};
}

}  // namespace

class StreamReader::Impl {
 public:
  Impl(pipeline::Loop& loop, std::shared_ptr<const SourceOptions> source, MemoryBudget& memory,
       const pipeline::Clock& clock, pipeline::Registry& metrics)
      : loop_(loop),
        source_(std::move(source)),
        memory_(memory),
        clock_(clock),
        metrics_(metrics, source_->metric_name()),
        queued_gauge_(metrics.gauge("skidway_agent_stream_queued_bytes",
                                    "Bytes taken from clients or a journal that no stage has seen yet.",
                                    {{"source", source_->metric_name()}})),
        unsettled_gauge_(metrics.gauge("skidway_agent_stream_unsettled",
                                       "Requests or groups of entries that no sink, or not every sink, has yet.",
                                       {{"source", source_->metric_name()}})),
        account_(source_->sinks, again(*source_)),
        labels_(source_),
        batch_(labels_.table()),
        drops_(account_, metrics_),
        lanes_(memory, metrics_),
        self_(std::make_shared<Impl*>(this)) {}

  ~Impl() {
    stop();
    give_up();
    memory_.release(queued_bytes_);
  }

  // --- from any thread

  void take(Parcel parcel, Settled settled) {
    uint64_t bytes = parcel.bytes();
    memory_.add(bytes);
    {
      std::lock_guard lock(mutex_);
      account_.receive(parcel.origin, {parcel.entries().size(), parcel.line_bytes()});
      queue_.push_back({std::move(parcel), std::move(settled), bytes});
      queued_bytes_ += bytes;
      queued_gauge_.set(static_cast<int64_t>(queued_bytes_.load()));
      woken_ = true;
    }
    wake_.notify_one();
  }

  bool full() {
    told_full_ = true;
    if (is_full()) return true;
    told_full_ = false;
    return false;
  }

  void wake() {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
      if (over_) note_settled();  // the thread has ended: positions move all the same
    }
    wake_.notify_one();
  }

  bool waiting() {
    std::lock_guard lock(mutex_);
    return !queue_.empty() || !unsettled_.empty() || !told_.empty();
  }

  // --- on the loop

  void start() {
    thread_ = std::thread([this] {
      run();
      std::lock_guard lock(mutex_);
      over_ = true;
      if (change_) std::exchange(change_, nullptr)();
      note_settled();
    });
  }

  void stop() {
    stopping_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
  }

  void give_up() {
    std::deque<Unsettled> left;
    {
      std::lock_guard lock(mutex_);
      for (Queued& queued : queue_) left.push_back({0, std::move(queued.settled)});
      queue_.clear();
      for (Unsettled& unsettled : unsettled_) left.push_back(std::move(unsettled));
      unsettled_.clear();
    }
    tell();
    for (Unsettled& unsettled : left)
      if (unsettled.settled) unsettled.settled(false);
    unsettled_gauge_.set(0);
  }

  void change(std::shared_ptr<const SourceOptions> source, std::vector<ReaderChange::Port> ports) {
    auto apply = [&] { this->apply(std::move(source), std::move(ports)); };
    std::promise<void> done;
    {
      std::lock_guard lock(mutex_);
      if (over_ || !thread_.joinable()) return apply();
      change_ = [&] {
        apply();
        done.set_value();
      };
      woken_ = true;
    }
    wake_.notify_one();
    done.get_future().wait();
  }

  FileId stream() const { return stream_; }
  StreamAccount& account() { return account_; }
  Hold holding() const { return hold_; }

  std::vector<std::unique_ptr<SinkPort>> ports;
  std::function<void()> on_room;

 private:
  struct Queued {
    Parcel parcel;
    Settled settled;
    uint64_t bytes = 0;
  };
  struct Unsettled {
    uint64_t end = 0;  // of its entries in the stream
    Settled settled;
  };

  bool is_full() const { return queued_bytes_ >= kQueueBytes || memory_.exceeded(); }

  // --- the thread

  void run() {
    while (!stopping_) {
      take_change();
      close_due();
      expire_held();
      hand_on_early();
      {
        std::lock_guard lock(mutex_);
        note_settled();
      }
      tell_room();
      if (!must_wait() && process_some()) continue;
      wait();
    }
    while (process_some()) {}
    flush_lanes();
    batch_.clear();
    hand_on();  // nothing is held back any more
    for_ports([](SinkPort& port) { port.close_all(); });
  }

  template <class F>
  void for_ports(F call) {
    for (size_t sink : source_->sinks)
      if (sink < ports.size() && ports[sink]) call(*ports[sink]);
  }

  void take_change() {
    std::function<void()> change;
    {
      std::lock_guard lock(mutex_);
      change = std::exchange(change_, nullptr);
    }
    if (change) change();
  }

  bool must_wait() {
    bool full = false;
    for_ports([&](SinkPort& port) { full = full || port.full(); });
    const bool limited = lanes_.is_slowed(clock_.wall());
    hold_ = limited ? Hold::kRate : lanes_.holds_back() ? Hold::kStage : Hold::kNone;
    return full || limited;
  }

  void close_due() {
    nanoseconds now = clock_.monotonic();
    if (flush_at_ && *flush_at_ <= now) {
      flush_at_.reset();
      for_ports([](SinkPort& port) { port.close_all(); });
    }
    for_ports([&](SinkPort& port) {
      auto deadline = port.deadline();
      if (deadline && *deadline <= now) port.close_due(now);
    });
  }

  void expire_held() {
    const UnixNanos now = clock_.wall();
    for (uint64_t number : lanes_.due(now)) {
      last_read_time_ = std::max(last_read_time_, now);
      expire(number, now);
    }
  }

  // No entry is lost by that; a block of lines may come in two parts.
  void hand_on_early() {
    while (auto number = lanes_.too_large()) {
      const uint64_t before = lanes_.at(*number).held_bytes;
      expire(*number, std::numeric_limits<UnixNanos>::max());
      metrics_.handed_on_early.add();
      if (lanes_.at(*number).held_bytes >= before) return;
    }
  }

  void expire(uint64_t number, UnixNanos until) {
    StreamLanes::Lane& lane = lanes_.at(number);
    batch_.clear();
    source_->stages->expire(batch_, *lane.state, until, drops_.counts);
    drops_.tell(lane.origin);
    lanes_.note(number);
    hand_on();
    if (clients_wait_ && !flush_at_) flush_at_ = clock_.monotonic() + kLinger;
  }

  void wait() {
    nanoseconds now = clock_.monotonic(), timeout = 1s;
    if (flush_at_) timeout = std::min(timeout, *flush_at_ - now);
    for_ports([&](SinkPort& port) {
      if (auto deadline = port.deadline()) timeout = std::min(timeout, *deadline - now);
    });
    timeout = lanes_.wait_time(clock_.wall(), timeout);
    if (told_full_ || memory_.exceeded()) timeout = std::min(timeout, kLookAgain);
    std::unique_lock lock(mutex_);
    if (timeout > 0ns) wake_.wait_for(lock, timeout, [&] { return woken_; });
    woken_ = false;
  }

  void tell_room() {
    if (!told_full_ || is_full() || !told_full_.exchange(false)) return;
    loop_.post([weak = std::weak_ptr<Impl*>(self_)] {
      auto self = weak.lock();
      if (self && (*self)->on_room) (*self)->on_room();
    });
  }

  // One chunk of the oldest parcel. False: there is none.
  bool process_some() {
    if (!current_) {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      next_entry_ = 0;
      current_labels_.clear();
    }
    const Parcel& parcel = current_->parcel;
    pipeline::StageState* state =
        source_->stages ? lanes_.make(parcel.lane, *source_->stages, parcel.origin).state.get() : nullptr;
    fill(parcel);
    drops_.tell(parcel.origin);  // by the relabel rules
    if (state && !batch_.empty()) {
      const EntryVolume before = drops_.volume_of(batch_);
      const bool held = state->open_from().has_value();
      source_->stages->process(batch_, *state, drops_.counts);
      if (held || state->open_from())
        drops_.tell(parcel.origin);
      else
        drops_.tell(parcel.origin, before, batch_);
    }
    if (state) lanes_.note(parcel.lane);
    hand_on();
    if (next_entry_ == parcel.entries().size()) finish_parcel();
    return true;
  }

  // The next entries of the parcel, as a batch.
  void fill(const Parcel& parcel) {
    if (labels_.renew()) current_labels_.clear();
    if (current_labels_.empty())
      for (const LabelSet& set : parcel.label_sets()) current_labels_.push_back(labels_.of(set));
    batch_.clear();
    read_time_ = std::max(clock_.wall(), last_read_time_ + 1);
    const uint64_t first = next_number_;
    drops_.begin(first);
    uint64_t line_bytes = 0;
    for (size_t bytes = 0; next_entry_ < parcel.entries().size() && bytes < kChunkBytes; next_entry_++) {
      const Parcel::Entry& entry = parcel.entries()[next_entry_];
      bytes += entry.line.size() + 64;
      line_bytes += entry.line.size();
      add(parcel, entry);
    }
    metrics_.read_lines.add(next_number_ - first);
    metrics_.read_bytes.add(line_bytes);
    last_read_time_ = read_time_ - 1;
  }

  void add(const Parcel& parcel, const Parcel::Entry& entry) {
    std::string_view line = entry.line;
    uint64_t number = next_number_++;
    drops_.add_entry(std::min(line.size(), source_->max_line_bytes));
    std::optional<LabelTable::Id> labels = current_labels_[entry.labels];
    if (!labels) return drops_.counts.add(EntryDrops::kRelabel, 1, line.size());
    if (line.size() > source_->max_line_bytes) {
      metrics_.cut_lines.add();
      metrics_.cut_bytes.add(line.size() - source_->max_line_bytes);
      const EntryVolume cut{0, line.size() - source_->max_line_bytes};
      account_.drop(parcel.origin, {"read:max_line_size", cut, {}}, next_number_);
      line = line.substr(0, source_->max_line_bytes);
    }
    batch_.add(line, entry.time == 0 ? read_time_ : entry.time, *labels, {number, number + 1, read_time_});
    read_time_++;
    auto metadata = parcel.metadata(entry);
    if (!metadata.empty()) batch_.mutable_metadata(batch_.size() - 1).assign(metadata.begin(), metadata.end());
  }

  void finish_parcel() {
    if (current_->parcel.ends_lane) end_lane(current_->parcel.lane);
    {
      std::lock_guard lock(mutex_);
      queued_bytes_ -= current_->bytes;
      queued_gauge_.set(static_cast<int64_t>(queued_bytes_.load()));
      if (current_->settled) unsettled_.push_back({next_number_, std::move(current_->settled)});
      unsettled_gauge_.set(static_cast<int64_t>(unsettled_.size()));
      note_settled();
      clients_wait_ = clients_wait_ || current_->parcel.client_waits;
      if (current_->parcel.client_waits && !unsettled_.empty() && !flush_at_) flush_at_ = clock_.monotonic() + kLinger;
    }
    memory_.release(current_->bytes);
    current_.reset();
  }

  void end_lane(uint64_t number) {
    if (!lanes_.contains(number)) return;
    flush(number);
    lanes_.remove(number);
    hand_on();
  }

  void flush_lanes() {
    for (uint64_t number : lanes_.numbers()) flush(number);
    lanes_.clear();
  }

  void flush(uint64_t number) {
    StreamLanes::Lane& lane = lanes_.at(number);
    batch_.clear();
    source_->stages->flush(batch_, *lane.state, drops_.counts);
    drops_.tell(lane.origin);
    hand_on();
    batch_.clear();
  }

  void hand_on() {
    FilePosition passed{stream_, next_number_, last_read_time_};
    passed.position = std::min(passed.position, lanes_.open_from().value_or(next_number_));
    for_ports([&](SinkPort& port) { port.append(batch_, passed); });
  }

  void apply(std::shared_ptr<const SourceOptions> source, std::vector<ReaderChange::Port> changed) {
    if (source->stages != source_->stages) flush_lanes();
    for_ports([](SinkPort& port) { port.close_all(); });
    for (ReaderChange::Port& port : changed) {
      if (port.index >= ports.size()) ports.resize(port.index + 1);
      ports[port.index] = std::move(port.port);
    }
    source_ = std::move(source);
    labels_.change(source_);
    current_labels_.clear();
    account_.change(source_->sinks, again(*source_));
  }

  // --- settlement; under mutex_, ports are this thread's

  void note_settled() {
    uint64_t lowest = ~uint64_t{0};
    for_ports([&](SinkPort& port) {
      if (auto position = port.position(stream_)) lowest = std::min(lowest, position->position);
    });
    for (size_t sink : source_->sinks)
      if (sink < ports.size() && ports[sink])
        for (const LostEntries& lost : ports[sink]->take_lost(stream_)) account_.lose(sink, lost);
    account_.settle(std::min(lowest, next_number_));
    if (unsettled_.empty()) return;
    bool idle = told_.empty();
    while (!unsettled_.empty() && unsettled_.front().end <= lowest) {
      told_.push_back(std::move(unsettled_.front()));
      unsettled_.pop_front();
    }
    unsettled_gauge_.set(static_cast<int64_t>(unsettled_.size()));
    if (!idle || told_.empty()) return;
    loop_.post([weak = std::weak_ptr<Impl*>(self_)] {
      if (auto self = weak.lock()) (*self)->tell();
    });
  }

  void tell() {
    std::vector<Unsettled> told;
    {
      std::lock_guard lock(mutex_);
      told.swap(told_);
    }
    for (Unsettled& one : told) {
      account_.pass(one.end);  // the cursor that is saved now does
      one.settled(true);
    }
  }

  pipeline::Loop& loop_;
  std::shared_ptr<const SourceOptions> source_;  // the thread's, once it runs
  MemoryBudget& memory_;
  const pipeline::Clock& clock_;
  SourceMetrics metrics_;
  pipeline::Gauge& queued_gauge_;
  pipeline::Gauge& unsettled_gauge_;
  StreamAccount account_;
  std::atomic<Hold> hold_{Hold::kNone};
  const FileId stream_ = next_stream();

  // the thread's
  StreamLabels labels_;
  pipeline::Batch batch_;
  EntryDrops drops_;
  StreamLanes lanes_;
  std::optional<Queued> current_;
  size_t next_entry_ = 0;
  std::vector<std::optional<LabelTable::Id>> current_labels_;
  uint64_t next_number_ = 1;
  UnixNanos read_time_ = 0, last_read_time_ = 0;
  std::optional<nanoseconds> flush_at_;
  bool clients_wait_ = false;  // or did once

  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<bool> told_full_{false}, stopping_{false};
  std::mutex mutex_;  // everything below
  std::condition_variable wake_;
  bool woken_ = false;
  bool over_ = false;  // the thread has ended
  std::deque<Queued> queue_;
  std::deque<Unsettled> unsettled_;
  std::vector<Unsettled> told_;  // settled, and not told yet
  std::function<void()> change_;
  std::shared_ptr<Impl*> self_;
  std::thread thread_;
};

StreamReader::StreamReader(pipeline::Loop& loop, std::shared_ptr<const SourceOptions> source, MemoryBudget& memory,
                           const pipeline::Clock& clock, pipeline::Registry& metrics)
    : impl_(std::make_unique<Impl>(loop, std::move(source), memory, clock, metrics)) {}
StreamReader::~StreamReader() = default;

void StreamReader::take(Parcel parcel, Settled settled) { impl_->take(std::move(parcel), std::move(settled)); }
bool StreamReader::full() const { return impl_->full(); }
void StreamReader::on_room(std::function<void()> on_room) { impl_->on_room = std::move(on_room); }
void StreamReader::set_ports(std::vector<std::unique_ptr<SinkPort>> ports) { impl_->ports = std::move(ports); }
void StreamReader::start() { impl_->start(); }
void StreamReader::stop() { impl_->stop(); }
void StreamReader::give_up() { impl_->give_up(); }
bool StreamReader::waiting() const { return impl_->waiting(); }
FileId StreamReader::stream() const { return impl_->stream(); }
StreamAccount& StreamReader::account() { return impl_->account(); }
StreamReader::Hold StreamReader::holding() const { return impl_->holding(); }
void StreamReader::wake() { impl_->wake(); }
void StreamReader::change(std::shared_ptr<const SourceOptions> source, std::vector<ReaderChange::Port> ports) {
  impl_->change(std::move(source), std::move(ports));
}

}  // namespace agent
