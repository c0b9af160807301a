#include "agent/source/file_reader.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "agent/source/file_shard.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/unique_function.h"

namespace agent {

using Command = pipeline::UniqueFunction<void()>;

class FileReader::Impl {
 public:
  Impl(FileReaderOptions options, std::vector<std::shared_ptr<const SourceOptions>> sources, FileLedger& ledger,
       MemoryBudget& memory, const pipeline::Clock& clock, pipeline::Registry& metrics)
      : shard(options, std::move(sources), ledger, memory, clock, metrics),
        wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    INVARIANT(wake_fd_ >= 0);
  }
  ~Impl() {
    stop();
    ::close(wake_fd_);
  }

  void start() {
    scanning_ = true;
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    wake();
    if (thread_.joinable()) thread_.join();
  }

  // Offers of a first scan are taken as fast as they come, or their caller waits: many of them take much memory. The
  // thread is woken for many at once, and for those left with scan_done() at the latest.
  void post_offer(OfferedFile file) {
    bool wakes;
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [this] { return commands_.size() < kMostOffers || !scanning_ || held_ || stopping_; });
      if (stopping_) return;
      commands_.push_back([this, file = std::move(file)]() mutable { shard.offer(std::move(file)); });
      wakes = !scanning_ || commands_.size() % kOffersAtOnce == 0;
    }
    if (wakes) wake();
  }
  void post_scan_done(std::shared_ptr<const FoundFiles> found) {
    {
      std::lock_guard lock(mutex_);
      scanning_ = false;
    }
    post([this, found = std::move(found)]() mutable { shard.scan_done(std::move(found)); });
  }

  // False: the thread is stopping, the command will not be run.
  bool post(Command command) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return false;
      commands_.push_back(std::move(command));
    }
    wake();
    return true;
  }

  void hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    {
      std::lock_guard lock(mutex_);
      held_ = false;
    }
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    if (post([done] { done->set_value(); })) future.wait();
  }

  void wake() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake_fd_, &one, sizeof(one));  // full: it is awake already
  }

  FileShard shard;  // the thread's, once it runs

 private:
  static constexpr size_t kMostOffers = 1000;  // some 300 bytes each
  static constexpr size_t kOffersAtOnce = 250;
  static_assert(kMostOffers % kOffersAtOnce == 0);  // who waits for room has woken the thread

  void run() {
    ::pthread_setname_np(::pthread_self(), "reader");
    std::vector<Command> commands;
    for (;;) {
      commands.clear();
      {
        std::lock_guard lock(mutex_);
        if (!held_ || stopping_) commands.swap(commands_);
        if (stopping_) break;
      }
      room_.notify_all();
      for (Command& command : commands) command();
      auto rest = shard.turn();
      if (!rest || rest->count() > 0) wait(rest);
    }
    for (Command& command : commands) command();
    shard.close();
  }

  void wait(std::optional<std::chrono::nanoseconds> rest) {
    pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {shard.watch_fd(), POLLIN, 0}};  // a negative one is left out
    timespec timeout{};
    if (rest) {
      timeout.tv_sec = rest->count() / 1'000'000'000;
      timeout.tv_nsec = rest->count() % 1'000'000'000;
    }
    if (::ppoll(fds, 2, rest ? &timeout : nullptr, nullptr) <= 0 || (fds[0].revents & POLLIN) == 0) return;
    uint64_t count;
    [[maybe_unused]] ssize_t size = ::read(wake_fd_, &count, sizeof(count));
  }

  const int wake_fd_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable room_;   // in commands_
  std::vector<Command> commands_;  // under mutex_
  bool scanning_ = false;          // under mutex_: nothing is read yet, so commands take little time
  bool stopping_ = false;          // under mutex_
  bool held_ = false;              // under mutex_: commands wait for the rest of a change
};

FileReader::FileReader(FileReaderOptions options, std::vector<std::shared_ptr<const SourceOptions>> sources,
                       FileLedger& ledger, MemoryBudget& memory, const pipeline::Clock& clock,
                       pipeline::Registry& metrics)
    : impl_(std::make_unique<Impl>(options, std::move(sources), ledger, memory, clock, metrics)) {}

FileReader::~FileReader() = default;

void FileReader::set_ports(std::vector<std::unique_ptr<SinkPort>> ports) { impl_->shard.set_ports(std::move(ports)); }
void FileReader::set_rebuilds(std::vector<RebuildJob> jobs) { impl_->shard.set_rebuilds(std::move(jobs)); }

void FileReader::start(ReaderEvents& events) {
  impl_->shard.set_events(events);
  impl_->start();
}

void FileReader::stop() { impl_->stop(); }

void FileReader::offer(OfferedFile file) { impl_->post_offer(std::move(file)); }

void FileReader::scan_done(std::shared_ptr<const FoundFiles> found) { impl_->post_scan_done(std::move(found)); }

void FileReader::rotated(InodeKey key) {
  impl_->post([impl = impl_.get(), key] { impl->shard.rotated(key); });
}

void FileReader::gone(InodeKey key) {
  impl_->post([impl = impl_.get(), key] { impl->shard.gone(key); });
}

void FileReader::replaced(InodeKey key, size_t source) {
  impl_->post([impl = impl_.get(), key, source] { impl->shard.replaced(key, source); });
}

void FileReader::withdraw(InodeKey key, size_t source) {
  impl_->post([impl = impl_.get(), key, source] { impl->shard.withdraw(key, source); });
}

void FileReader::relabel(InodeKey key, size_t source, pipeline::LabelSet labels) {
  impl_->post([impl = impl_.get(), key, source, labels = std::move(labels)]() mutable {
    impl->shard.relabel(key, source, std::move(labels));
  });
}

void FileReader::hold() { impl_->hold(); }
void FileReader::release() { impl_->release(); }

void FileReader::change(ReaderChange change) {
  impl_->post([impl = impl_.get(), change = std::move(change)]() mutable { impl->shard.change(std::move(change)); });
}

void FileReader::wake() { impl_->wake(); }

FoundFiles FileReader::found() const {
  auto answer = std::make_shared<std::promise<FoundFiles>>();
  auto future = answer->get_future();
  bool posted = impl_->post([impl = impl_.get(), answer] { answer->set_value(impl->shard.found()); });
  return posted ? future.get() : FoundFiles();
}

std::vector<FileReader::Progress> FileReader::progress() const {
  auto answer = std::make_shared<std::promise<std::vector<Progress>>>();
  auto future = answer->get_future();
  bool posted = impl_->post([impl = impl_.get(), answer] { answer->set_value(impl->shard.progress()); });
  return posted ? future.get() : std::vector<Progress>();
}

}  // namespace agent
