#include "agent/source/stdin_reader.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "agent/source/block_reader.h"
#include "agent/source/source_metrics.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

class StdinReader::Impl {
 public:
  Impl(int fd, std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels, MemoryBudget& memory,
       const pipeline::Clock& clock, pipeline::Registry& metrics)
      : fd_(fd),
        source_(std::move(source)),
        target_labels_(std::move(labels)),
        memory_(memory),
        clock_(clock),
        metrics_(metrics, source_->name),
        batch_(labels_),
        block_(memory),
        wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    INVARIANT(wake_fd_ >= 0);
    if (source_->stages) state_ = source_->stages->make_state();
  }
  ~Impl() {
    stop();
    ::close(wake_fd_);
  }

  void start(std::function<void()> ended) {
    thread_ = std::thread([this, ended = std::move(ended)] {
      bool at_end = run();
      {
        std::lock_guard lock(mutex_);
        over_ = true;
        if (change_) std::exchange(change_, nullptr)();
      }
      if (at_end) ended();
    });
  }

  void change(std::function<void()> change) {
    std::promise<void> done;
    {
      std::lock_guard lock(mutex_);
      if (over_) return change();
      change_ = [&] {
        change();
        done.set_value();
      };
    }
    wake();
    done.get_future().wait();
  }

  void apply(std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels,
             std::vector<ReaderChange::Port> changed) {
    bool restaged = source->stages != source_->stages;
    if (restaged && state_) {
      batch_.clear();
      source_->stages->flush(batch_, *state_, drops_);
      hand_on();
    }
    for (size_t sink : source_->sinks)
      if (ports[sink]) ports[sink]->close_all();
    for (ReaderChange::Port& port : changed) {
      if (port.index >= ports.size()) ports.resize(port.index + 1);
      ports[port.index] = std::move(port.port);
    }
    source_ = std::move(source);
    target_labels_ = std::move(labels);
    if (restaged) state_ = source_->stages ? source_->stages->make_state() : nullptr;
  }

  void stop() {
    stopping_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
  }
  void wake() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake_fd_, &one, sizeof(one));
  }

  std::vector<std::unique_ptr<SinkPort>> ports;

 private:
  // True: the end of the input.
  bool run() {
    bool ended = false;
    while (!ended && !stopping_) {
      take_change();
      close_due();
      expire_held();
      bool room = !must_wait();
      if (!wait(room)) continue;
      if (room) ended = !read_some();
    }
    if (ended) finish();
    for (size_t sink : source_->sinks) ports[sink]->close_all();
    return ended;
  }

  void take_change() {
    std::function<void()> change;
    {
      std::lock_guard lock(mutex_);
      change = std::exchange(change_, nullptr);
    }
    if (change) change();
  }

  bool must_wait() const {
    return memory_.exceeded() || (state_ && state_->resume_at() > clock_.wall()) ||
           std::any_of(source_->sinks.begin(), source_->sinks.end(), [&](size_t sink) { return ports[sink]->full(); });
  }

  void close_due() {
    for (size_t sink : source_->sinks) {
      auto deadline = ports[sink]->deadline();
      if (deadline && *deadline <= clock_.monotonic()) ports[sink]->close_due(clock_.monotonic());
    }
  }

  // What a stage holds back until a time that has come goes on; lines read later have later read times.
  void expire_held() {
    auto due = state_ ? state_->due() : std::nullopt;
    pipeline::UnixNanos now = clock_.wall();
    if (!due || *due > now) return;
    last_read_time_ = std::max(last_read_time_, now);
    batch_.clear();
    source_->stages->expire(batch_, *state_, now, drops_);
    hand_on();
  }

  // Until there is input (if `for_input`), a batch is due or somebody wakes us. True: input.
  bool wait(bool for_input) {
    std::chrono::nanoseconds timeout = std::chrono::seconds(1);
    for (size_t sink : source_->sinks) {
      auto deadline = ports[sink]->deadline();
      if (deadline) timeout = std::min(timeout, *deadline - clock_.monotonic());
    }
    if (auto due = state_ ? state_->due() : std::nullopt)
      timeout = std::min(timeout, std::chrono::nanoseconds(*due - clock_.wall()));
    if (auto resume = state_ ? state_->resume_at() : std::nullopt; resume && *resume > clock_.wall())
      timeout = std::min(timeout, std::chrono::nanoseconds(*resume - clock_.wall()));
    timeout = std::max(timeout, std::chrono::nanoseconds(0));
    pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {for_input ? fd_ : -1, POLLIN, 0}};
    timespec spec{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    if (::ppoll(fds, 2, &spec, nullptr) <= 0) return false;
    if (fds[0].revents & POLLIN) {
      uint64_t count;
      [[maybe_unused]] ssize_t size = ::read(wake_fd_, &count, sizeof(count));
    }
    return fds[1].revents != 0;
  }

  // False: the end of the input, or a fault, which is the same to us.
  bool read_some() {
    size_t held = text_.size();
    text_.resize(held + kBlockBytes);
    ssize_t size = ::read(fd_, text_.data() + held, kBlockBytes);
    int fault = errno;
    text_.resize(held + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (size < 0 && (fault == EINTR || fault == EAGAIN)) return true;
    if (size < 0) {
      metrics_.read_errors.add();
      pipeline::log_error("standard input cannot be read", {{"error", pipeline::system_error("read", fault)}});
    }
    if (size <= 0) return false;
    metrics_.read_bytes.add(static_cast<uint64_t>(size));
    deliver(Tail::kKeep);
    return true;
  }

  void deliver(Tail tail) {
    skip_cut_line();
    if (!cutting_ && tail == Tail::kKeep && text_.size() > source_->max_line_bytes &&
        text_.find('\n') == std::string::npos) {  // the end of a too long line is not in sight
      tail = Tail::kDeliver;
      cutting_ = true;
    }
    batch_.clear();
    if (labels_.size() > kLabelTableLimit) labels_.clear();
    pipeline::UnixNanos first = std::max(clock_.wall(), last_read_time_ + 1);
    auto outcome =
        block_.split(text_, position_, source_->max_line_bytes, tail, labels_.intern(target_labels_), first, batch_);
    position_ += outcome.bytes;
    metrics_.read_lines.add(outcome.lines);
    metrics_.cut_lines.add(outcome.cut_lines);
    metrics_.cut_bytes.add(outcome.cut_bytes);
    if (outcome.lines > 0) last_read_time_ = first + static_cast<int64_t>(outcome.lines) - 1;
    if (state_ && !batch_.empty()) source_->stages->process(batch_, *state_, drops_);
    hand_on();
    text_.erase(0, outcome.bytes);  // what is left is less than a line
  }

  void skip_cut_line() {
    if (!cutting_) return;
    size_t newline = text_.find('\n');
    size_t skipped = std::min(newline, text_.size());
    metrics_.cut_bytes.add(skipped);
    cutting_ = newline == std::string::npos;
    size_t used = cutting_ ? skipped : skipped + 1;
    position_ += used;
    text_.erase(0, used);
  }

  void hand_on() {
    metrics_.add(drops_);
    if (batch_.empty()) return;
    for (size_t sink : source_->sinks) ports[sink]->append(batch_, FilePosition{});
  }

  void finish() {
    deliver(Tail::kDeliver);
    if (!state_) return;
    batch_.clear();
    source_->stages->flush(batch_, *state_, drops_);
    hand_on();
  }

  static constexpr size_t kLabelTableLimit = 65'536;

  const int fd_;
  std::shared_ptr<const SourceOptions> source_;
  pipeline::LabelSet target_labels_;
  MemoryBudget& memory_;
  const pipeline::Clock& clock_;
  SourceMetrics metrics_;
  pipeline::LabelTable labels_;
  pipeline::Batch batch_;
  pipeline::DropCounts drops_;
  BlockReader block_;
  std::unique_ptr<pipeline::StageState> state_;
  std::string text_;       // read and not handed on
  bool cutting_ = false;   // inside a line that was too long
  uint64_t position_ = 0;  // of text_ in the input
  pipeline::UnixNanos last_read_time_ = 0;
  const int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::function<void()> change_;  // under mutex_: to be called by the thread
  bool over_ = false;             // under mutex_: the thread reads no more
  std::thread thread_;
};

StdinReader::StdinReader(int fd, std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels,
                         MemoryBudget& memory, const pipeline::Clock& clock, pipeline::Registry& metrics)
    : impl_(std::make_unique<Impl>(fd, std::move(source), std::move(labels), memory, clock, metrics)) {}

StdinReader::~StdinReader() = default;

void StdinReader::set_ports(std::vector<std::unique_ptr<SinkPort>> ports) { impl_->ports = std::move(ports); }
void StdinReader::start(std::function<void()> ended) { impl_->start(std::move(ended)); }
void StdinReader::stop() { impl_->stop(); }
void StdinReader::wake() { impl_->wake(); }

void StdinReader::change(std::shared_ptr<const SourceOptions> source, pipeline::LabelSet labels,
                         std::vector<ReaderChange::Port> ports) {
  impl_->change([&] { impl_->apply(std::move(source), std::move(labels), std::move(ports)); });
}

}  // namespace agent
