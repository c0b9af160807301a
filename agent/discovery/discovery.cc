#include "agent/discovery/discovery.h"

#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <optional>
#include <set>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unordered_map>

#include "agent/discovery/file_table.h"
#include "agent/discovery/folder_tree.h"
#include "pipeline/base/log.h"
#include "pipeline/loop/fd_watcher.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"

namespace agent {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::seconds kRescanEvery = 10s;  // inotify may miss what a network file system does
constexpr std::chrono::seconds kPollEvery = 1s;     // folders without a watch
constexpr int kRescanShare = 1000;                  // of the time, scanning everything again gets no more than one part

SourceRules compile_rules(const std::shared_ptr<const SourceOptions>& source, const FindPodMetadata& find_metadata) {
  auto rules = PathRules::compile(*source);
  if (!rules) pipeline::log_error("source has a bad pattern", {{"source", source->name}, {"error", rules.error()}});
  return {.options = source,
          .rules = rules ? *std::move(rules) : PathRules(),
          .metadata = find_metadata ? find_metadata(*source) : nullptr};
}

std::vector<SourceRules> compile_rules(const std::vector<std::shared_ptr<const SourceOptions>>& sources) {
  std::vector<SourceRules> all;
  for (const auto& source : sources) all.push_back(compile_rules(source, nullptr));
  return all;
}
}  // namespace

uint64_t raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

class Discovery::Impl {
 public:
  Impl(pipeline::Loop& loop, std::vector<std::shared_ptr<const SourceOptions>> sources, FileLedger& ledger,
       pipeline::Registry& metrics, OpenFiles* open_files)
      : loop_(loop),
        sources_(compile_rules(sources)),
        files_(sources_, ledger, metrics, open_files),
        tree_(sources_, files_),
        timer_(loop, [this] { on_timer(); }),
        wait_timer_(loop, [this] { settle(); }),
        polled_(metrics.gauge("skidway_agent_discovery_polled_directories",
                              "Directories that are scanned every second because they have no inotify watch.")),
        watched_(metrics.gauge("skidway_agent_discovery_watched_directories", "Directories with an inotify watch.")),
        overflows_(metrics.counter("skidway_agent_discovery_inotify_overflows_total",
                                   "Times the system lost inotify events; everything is scanned then.")),
        alive_(std::make_shared<Impl*>(this)),
        self_(alive_) {
    files_.set_clock([this] { return loop_.now(); });
    files_.set_closer([this](std::shared_ptr<FileHandle> handle) {
      closer_.run([handle = std::move(handle)]() mutable { handle.reset(); }, [](const pipeline::Result<void>&) {});
    });
  }

  FileTable& files() { return files_; }
  const FileTable& files() const { return files_; }
  bool scanned() const { return scanned_; }

  void set_pod_metadata(FindPodMetadata find) {
    find_metadata_ = std::move(find);
    for (SourceRules& source : sources_) source.metadata = find_metadata_(*source.options);
  }

  void pods_changed(const std::vector<PodId>& pods) {
    if (!scanned_ || !alive_) return;
    files_.pods_changed(pods);
    arm_wait_timer();
  }

  void start() {
    if (tree_.watch().fd() >= 0) {
      watcher_.emplace(loop_, tree_.watch().fd(), [this](pipeline::FdEvents) { on_events(); });
      auto started = watcher_->start(true, false);
      if (!started) pipeline::log_warn("inotify cannot be waited for", {{"error", started.error()}});
    }
    scan();
    scanned_ = true;
    files_.first_scan_done();
  }

  void stop() {
    timer_.stop();
    wait_timer_.stop();
    watcher_.reset();
    alive_.reset();
    closer_.stop();
  }

  void change_sources(const std::vector<std::shared_ptr<const SourceOptions>>& sources,
                      const std::function<void()>& between) {
    std::set<size_t> changed, fresh;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (i >= sources_.size()) {
        sources_.push_back(compile_rules(sources[i], find_metadata_));
        fresh.insert(i), changed.insert(i);
      } else if (sources[i] == nullptr) {
        sources_[i].rules = PathRules();
        sources_[i].metadata = nullptr;
        sources_[i].removed = true;
        changed.insert(i);
      } else if (sources[i] != sources_[i].options) {
        sources_[i] = compile_rules(sources[i], find_metadata_);
        changed.insert(i);
      }
    }
    files_.change_sources(changed, fresh);
    between();
    scan();
    files_.changed_sources_scanned();
  }

  // Thread: any.
  void post_finished(InodeKey key, size_t source) {
    loop_.post([weak = self_, key, source] {
      if (auto self = weak.lock()) (*self)->files_.finished(key, source);
    });
  }

 private:
  void on_events() {
    std::vector<FolderWatch::Event> events;
    bool complete = tree_.watch().take(events);
    tree_.follow(events);
    settle();
    if (complete) return;
    overflows_.add();
    pipeline::log_warn("inotify events were lost, scanning everything");
    scan();
  }

  void scan() {
    const auto begin = std::chrono::steady_clock::now();
    last_scan_ = loop_.now();
    tree_.scan();
    settle();
    const auto took = std::chrono::steady_clock::now() - begin;
    rescan_every_ = kRescanEvery;
    if (scanned_)
      rescan_every_ = std::max(rescan_every_, std::chrono::ceil<std::chrono::milliseconds>(kRescanShare * took));
    arm_timer();
  }

  void on_timer() {
    if (loop_.now() - last_scan_ >= rescan_every_) return scan();
    tree_.scan_polled();
    settle();
    arm_timer();
  }

  void settle() {
    files_.settle();
    arm_wait_timer();
  }

  void arm_wait_timer() {
    auto deadline = files_.next_deadline();
    if (!deadline) return wait_timer_.stop();
    wait_timer_.start(std::max(*deadline - loop_.now(), std::chrono::milliseconds(1)));
  }

  void arm_timer() {
    polled_.set(static_cast<int64_t>(tree_.polled_count()));
    watched_.set(static_cast<int64_t>(tree_.watched_count()));
    timer_.start(tree_.polled_count() > 0 ? std::chrono::milliseconds(kPollEvery) : rescan_every_);
  }

  pipeline::Loop& loop_;
  std::vector<SourceRules> sources_;
  FileTable files_;
  FolderTree tree_;
  std::optional<pipeline::FdWatcher> watcher_;
  pipeline::Timer timer_;
  pipeline::Timer wait_timer_;  // for files that wait for metadata
  pipeline::WorkerPool closer_{loop_, "closer", 1};
  FindPodMetadata find_metadata_;
  std::chrono::milliseconds last_scan_{0};
  std::chrono::milliseconds rescan_every_ = kRescanEvery;
  bool scanned_ = false;
  pipeline::Gauge& polled_;
  pipeline::Gauge& watched_;
  pipeline::Counter& overflows_;
  std::shared_ptr<Impl*> alive_;     // gone after stop(): posted tasks then do nothing
  const std::weak_ptr<Impl*> self_;  // for any thread
};

Discovery::Discovery(pipeline::Loop& loop, std::vector<std::shared_ptr<const SourceOptions>> sources,
                     FileLedger& ledger, pipeline::Registry& metrics, OpenFiles* open_files)
    : impl_(std::make_unique<Impl>(loop, std::move(sources), ledger, metrics, open_files)) {}

Discovery::~Discovery() { stop(); }

void Discovery::add_reader(FileReceiver& reader) { impl_->files().add_reader(reader); }
void Discovery::set_pod_metadata(FindPodMetadata find) { impl_->set_pod_metadata(std::move(find)); }
void Discovery::pods_changed(const std::vector<PodId>& pods) { impl_->pods_changed(pods); }
bool Discovery::has_files(const PodId& pod) const { return impl_->files().has_files(pod); }
void Discovery::start() { impl_->start(); }
void Discovery::stop() { impl_->stop(); }
void Discovery::change_sources(std::vector<std::shared_ptr<const SourceOptions>> sources,
                               const std::function<void()>& between) {
  impl_->change_sources(sources, between);
}
bool Discovery::first_scan_done() const { return impl_->scanned(); }
std::vector<Target> Discovery::targets() const { return impl_->files().targets(); }
void Discovery::file_finished(InodeKey key, size_t source) { impl_->post_finished(key, source); }

}  // namespace agent
