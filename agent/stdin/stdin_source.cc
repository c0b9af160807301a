#include "agent/stdin/stdin_source.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <poll.h>
#include <thread>

#include "agent/source/block_reader.h"
#include "agent/source/source_metrics.h"
#include "agent/stream/waker.h"
#include "pipeline/base/log.h"
#include "pipeline/model/label_table.h"

namespace agent {

namespace {
class StdinSource final : public StreamSource {
 public:
  explicit StdinSource(const StreamParts& parts)
      : parts_(parts),
        options_(static_cast<const StdinOptions&>(*parts_.options->stream)),
        metrics_(parts_.registry, parts_.options->metric_name()),
        target_(make_stdin_target(*parts_.options)),
        block_(parts_.memory),
        batch_(table_) {}
  ~StdinSource() override { stop(); }

  pipeline::Result<void> start() override {
    parts_.reader.on_room([waker = waker_] { waker->wake(); });
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void stop() override {
    stopping_ = true;
    waker_->wake();
    if (thread_.joinable()) thread_.join();
  }

  std::vector<Target> targets() const override { return {target_}; }

 private:
  // --- the thread

  void run() {
    while (!stopping_) {
      if (parts_.reader.full())
        waker_->wait();
      else if (wait_for_input() && !read_some())
        return finish();
    }
  }

  // False: somebody wakes us.
  bool wait_for_input() const {
    pollfd fds[2] = {{waker_->fd(), POLLIN, 0}, {options_.fd, POLLIN, 0}};
    if (::poll(fds, 2, -1) <= 0) return false;
    if (fds[0].revents != 0) waker_->clear();
    return fds[1].revents != 0;
  }

  // False: the end of the input, or a fault, which is the same to us.
  bool read_some() {
    const size_t held = text_.size();
    text_.resize(held + kBlockBytes);
    const ssize_t size = ::read(options_.fd, text_.data() + held, kBlockBytes);
    const int fault = errno;
    text_.resize(held + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (size < 0 && (fault == EINTR || fault == EAGAIN)) return true;
    if (size < 0) {
      metrics_.read_errors.add();
      pipeline::log_error("standard input cannot be read", {{"error", pipeline::system_error("read", fault)}});
    }
    if (size <= 0) return false;
    Parcel parcel = take_lines(Tail::kKeep);
    if (!parcel.empty()) parts_.reader.take(std::move(parcel));
    return true;
  }

  void finish() {
    Parcel last = take_lines(Tail::kDeliver);
    last.ends_lane = last.client_waits = true;
    parts_.reader.take(std::move(last), [at_end = parts_.at_end](bool settled) {
      if (settled && at_end) at_end();
    });
  }

  Parcel take_lines(Tail tail) {
    skip_cut_line();
    if (!cutting_ && tail == Tail::kKeep && text_.size() > most() && text_.find('\n') == std::string::npos) {
      tail = Tail::kDeliver;  // the end of a too long line is not in sight
      cutting_ = true;
    }
    batch_.clear();
    const auto labels = table_.intern({});
    const auto outcome = block_.split(text_, position_, most(), tail, labels, 1, batch_);
    position_ += outcome.bytes;
    metrics_.cut_lines.add(outcome.cut_lines);
    metrics_.cut_bytes.add(outcome.cut_bytes);
    Parcel parcel;
    const size_t set = parcel.add_labels(target_.discovered);
    for (std::string_view line : batch_.lines) parcel.add(set, 0, line);
    batch_.clear();
    text_.erase(0, outcome.bytes);  // what is left is less than a line
    return parcel;
  }

  void skip_cut_line() {
    if (!cutting_) return;
    const size_t newline = text_.find('\n');
    const size_t skipped = std::min(newline, text_.size());
    metrics_.cut_bytes.add(skipped);
    cutting_ = newline == std::string::npos;
    const size_t used = cutting_ ? skipped : skipped + 1;
    position_ += used;
    text_.erase(0, used);
  }

  size_t most() const { return parts_.options->max_line_bytes; }

  const StreamParts parts_;
  const StdinOptions& options_;
  SourceMetrics metrics_;
  const Target target_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::atomic<bool> stopping_{false};

  // the thread's
  BlockReader block_;
  pipeline::LabelTable table_;
  pipeline::Batch batch_;
  std::string text_;       // read and not handed on
  bool cutting_ = false;   // inside a line that was too long
  uint64_t position_ = 0;  // of text_ in the input

  std::thread thread_;
};
}  // namespace

std::shared_ptr<const StreamOptions> read_stdin(const pipeline::ConfigTable&) {
  return std::make_shared<StdinOptions>();
}

std::unique_ptr<StreamSource> make_stdin(const StreamParts& parts) { return std::make_unique<StdinSource>(parts); }

}  // namespace agent
