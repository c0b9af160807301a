// ModelAgent: discovery, one shard and modelled sinks together, on real files, driven by hand. It is what dies in a
// crash; what lives on are its ModelDisk and ModelServers. Thread: one.
#pragma once

#include <doctest/doctest.h>
#include <functional>
#include <random>

#include "agent/discovery/file_table.h"
#include "agent/discovery/folder_tree.h"
#include "agent/source/file_shard.h"
#include "agent/source/testing/model_sink.h"

namespace agent::testing {

class ModelAgent final : public ReaderEvents {
 public:
  using Random = std::mt19937_64;

  ModelAgent(const std::vector<SourceRules>& rules, ModelDisk& disk, std::vector<ModelServer>& servers,
             pipeline::FakeClock& clock, bool full = false, FileReaderOptions options = {},
             const std::function<void()>& after_first_scan = {})
      : disk_(disk), clock_(clock) {
    for (size_t i = 0; i < servers.size(); ++i) sinks.push_back(std::make_unique<ModelSink>(disk, i, servers[i]));
    ledger_ = std::make_unique<ModelLedger>(disk, sinks);
    for (auto& sink : sinks) sink->full = full;
    std::vector<std::shared_ptr<const SourceOptions>> sources;
    for (const SourceRules& source : rules) sources.push_back(source.options);
    shard_ = std::make_unique<FileShard>(options, sources, *ledger_, memory_, clock, metrics_);
    std::vector<std::unique_ptr<SinkPort>> ports;
    std::vector<RebuildJob> jobs;
    for (size_t i = 0; i < sinks.size(); ++i) {
      ports.push_back(sinks[i]->open_port());
      for (const BatchRecord& record : sinks[i]->unacked()) jobs.push_back({i, &record});
    }
    shard_->set_ports(std::move(ports));
    shard_->set_rebuilds(std::move(jobs));
    shard_->set_events(*this);
    table_ = std::make_unique<FileTable>(rules, *ledger_, metrics_, options.open_files);
    table_->set_clock([this] { return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.monotonic()); });
    table_->add_reader(*shard_);
    tree_ = std::make_unique<FolderTree>(rules, *table_);
    tree_->scan();
    if (after_first_scan) after_first_scan();
    table_->settle();
    table_->first_scan_done();
  }

  void follow() {
    std::vector<FolderWatch::Event> events;
    REQUIRE(tree_->watch().take(events));
    tree_->follow(events);
    table_->settle();
    for (const auto& [key, source] : std::exchange(finished_, {})) table_->finished(key, source);
  }
  void turn() { (void)shard_->turn(); }

  // Other stages for some sources, as a reload gives them.
  void change(const std::vector<SourceRules>& rules, std::vector<size_t> restaged) {
    ReaderChange change;
    for (const SourceRules& source : rules) change.sources.push_back(source.options);
    change.restaged = std::move(restaged);
    shard_->change(std::move(change));
  }
  void step(Random& random) {
    ModelSink& sink = *sinks[random() % sinks.size()];
    switch (random() % 12) {
      case 0: sink.full = !sink.full; break;
      case 1: sink.close(); break;
      case 2:
      case 3: sink.write_record(); break;
      case 4:
      case 5: sink.send(); break;
      case 6: sink.resend(); break;
      case 7:
      case 8: sink.ack(); break;
      case 9: sink.save_positions(); break;
      case 10: tree_->scan(), table_->settle(); break;
      default: clock_.advance(std::chrono::milliseconds(random() % 3000));
    }
  }
  void drain() {
    for (auto& sink : sinks) sink->full = false;
    for (int i = 0; i < 200 || (i < 2000 && has_unread()); ++i) {
      follow();
      clock_.advance(std::chrono::milliseconds(250));
      turn();
      for (auto& sink : sinks) sink->deliver_all();
    }
  }
  // As time passes with sinks that take nothing, or nobody acks.
  void idle(std::chrono::milliseconds time) {
    for (auto end = clock_.monotonic() + time; clock_.monotonic() < end;) {
      follow();
      clock_.advance(std::chrono::milliseconds(250));
      turn();
    }
  }
  void scan() { tree_->scan(), table_->settle(); }
  FileTable& table() { return *table_; }
  FileShard& shard() { return *shard_; }
  ModelLedger& ledger() { return *ledger_; }
  pipeline::Registry& metrics() { return metrics_; }
  // A file that matches its source's pattern only until it is rotated must have been seen by then.
  bool holds(const std::string& path) {
    auto file = FileHandle::open(path);
    if (!file) return false;
    const auto all = shard_->progress();
    return std::any_of(all.begin(), all.end(), [&](const auto& progress) { return is_of(progress, **file); });
  }
  // All sinks have acked the file at `path`.
  bool arrived(const std::string& path) {
    auto file = *FileHandle::open(path);
    auto status = file->status();
    bool seen = false;
    for (const auto& progress : shard_->progress()) {
      if (!is_of(progress, *file)) continue;
      seen = true;
      for (auto& sink : sinks) {
        auto position = sink->position(progress.id);
        if (!position || position->position < status->size_bytes) return false;
      }
    }
    return seen;
  }
  bool has_unread() {
    for (const auto& progress : shard_->progress())
      if (progress.read_bytes < progress.size_bytes) return true;
    return false;
  }
  void file_finished(InodeKey key, size_t source) override { finished_.emplace_back(key, source); }

  std::vector<std::unique_ptr<ModelSink>> sinks;

 private:
  // A file that was closed and deleted may still be in sight when its inode is that of another file already.
  bool is_of(const FileReader::Progress& progress, const FileHandle& file) const {
    const FileRecord& record = disk_.files.at(progress.id);
    const FileIdentity identity{progress.key, record.fingerprint, record.fingerprint_length};
    const std::string head = *file.head();
    return identity.matches(file.status()->key, head) && (head.empty() || identity.fingerprint_bytes > 0);
  }

  ModelDisk& disk_;
  pipeline::FakeClock& clock_;
  pipeline::Registry metrics_;
  MemoryBudget memory_{64 << 20};
  std::unique_ptr<ModelLedger> ledger_;
  std::unique_ptr<FileShard> shard_;
  std::unique_ptr<FileTable> table_;
  std::unique_ptr<FolderTree> tree_;
  std::vector<std::pair<InodeKey, size_t>> finished_;
};

}  // namespace agent::testing
