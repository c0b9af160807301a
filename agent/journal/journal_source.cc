#include "agent/journal/journal_source.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "agent/journal/journal_reader.h"
#include "agent/stream/waker.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::LabelSet;

namespace {
constexpr size_t kParcelBytes = 256 << 10;
constexpr std::chrono::nanoseconds kLongestWait = 30s;

class JournalSource final : public StreamSource {
 public:
  explicit JournalSource(const StreamParts& parts)
      : parts_(parts),
        options_(static_cast<const JournalOptions&>(*parts_.options->stream)),
        metrics_(parts_.registry, parts_.options->metric_name()) {}
  ~JournalSource() override { stop(); }

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

  std::string unready() const override {
    std::lock_guard lock(mutex_);
    return unready_;
  }

  std::vector<Target> targets() const override {
    std::lock_guard lock(mutex_);
    std::vector<Target> targets;
    Target target{.source = parts_.options->name, .path = options_.place()};
    std::vector<pipeline::Label> labels(parts_.options->labels.begin(), parts_.options->labels.end());
    target.labels = LabelSet::from(std::move(labels));
    target.state = unready_.empty() ? "active" : "failed";
    target.reason = unready_.empty() ? fault_ : unready_;
    targets.push_back(std::move(target));
    return targets;
  }

 private:
  // --- the thread

  void run() {
    BusGuard guard;
    JournalReader reader(options_, parts_.cursors.saved(), guard, parts_.clock, metrics_);
    open(reader);
    while (!stopping_) {
      if (parts_.reader.full())
        waker_->wait();
      else if (!read_some(reader))
        reader.wait(waker_->fd(), kLongestWait);
      tell(reader);
    }
  }

  void open(JournalReader& reader) {
    if (auto opened = reader.open(); !opened)
      pipeline::log_error("journal cannot be read, trying again",
                          {{"source", parts_.options->name}, {"error", opened.error()}});
    tell(reader);
  }

  // False: there is nothing new.
  bool read_some(JournalReader& reader) {
    Parcel parcel;
    const LabelSet* last = nullptr;
    LabelSet last_labels;
    size_t at = 0;
    auto read =
        reader.read(kParcelBytes, [&](const LabelSet& labels, pipeline::UnixNanos time, const std::string& line) {
          if (!last || labels != last_labels) at = parcel.add_labels(last_labels = labels);
          last = &labels;
          parcel.add(at, time, line);
        });
    if (!read) {
      if (auto held = errors_.allow())
        pipeline::log_warn("journal is opened again",
                           {{"source", parts_.options->name}, {"error", read.error()}, {"held_back", *held}});
      open(reader);
      waker_->wait();  // a moment: what it was is perhaps still going on
      return true;
    }
    auto marks = reader.moved();
    if (marks.empty()) return *read > 0;
    auto settled = [cursors = parts_.cursors, marks = std::move(marks)](bool done) {
      if (!done) return;
      for (const auto& [lineage, text] : marks) cursors.save(lineage, text);
    };
    parts_.reader.take(std::move(parcel), std::move(settled));
    return true;
  }

  void tell(const JournalReader& reader) {
    std::string unready = reader.unready(), fault = reader.fault();
    std::lock_guard lock(mutex_);
    unready_ = std::move(unready);
    fault_ = std::move(fault);
  }

  const StreamParts parts_;
  const JournalOptions& options_;
  JournalMetrics metrics_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  pipeline::LogLimiter errors_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;

  mutable std::mutex mutex_;
  std::string unready_ = "the journal is not open yet", fault_;  // under mutex_
};
}  // namespace

std::unique_ptr<StreamSource> make_journal(const StreamParts& parts) { return std::make_unique<JournalSource>(parts); }

}  // namespace agent
