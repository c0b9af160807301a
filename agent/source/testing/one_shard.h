// Shard: a FileShard with a folder, a clock, a sink and a ledger of its own, driven by hand. Thread: one.
#pragma once

#include <doctest/doctest.h>

#include "agent/source/file_shard.h"
#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"

namespace agent::testing {

// One shard, one source, one sink, driven by hand.
class Shard final : public ReaderEvents {
 public:
  explicit Shard(size_t max_line_bytes = kDefaultMaxLineBytes,
                 std::shared_ptr<const pipeline::StageList> stages = nullptr) {
    auto options = std::make_shared<SourceOptions>();
    options->name = "test";
    options->sinks = {0};
    options->max_line_bytes = max_line_bytes;
    options->stages = std::move(stages);
    source_ = options;
    disk.sinks.resize(1);
    sinks_.push_back(std::make_unique<ModelSink>(disk, 0, server));
    ledger = std::make_unique<ModelLedger>(disk, sinks_);
    shard = std::make_unique<FileShard>(FileReaderOptions{.open_files = &open_files},
                                        std::vector<std::shared_ptr<const SourceOptions>>{source_}, *ledger, memory,
                                        clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(sinks_[0]->open_port());
    shard->set_ports(std::move(ports));
    shard->set_events(*this);
  }

  ModelSink& sink() { return *sinks_[0]; }
  std::shared_ptr<const SourceOptions> source() const { return source_; }

  InodeKey offer(const std::string& name, const std::string& lineage, bool parked = false) {
    auto handle = FileHandle::open(folder.at(name), &open_files);
    REQUIRE(handle.has_value());
    OfferedFile file;
    file.handle = *handle;
    file.size_bytes = (*handle)->status()->size_bytes;
    file.identity = FileIdentity::of((*handle)->status()->key, *(*handle)->head());
    file.path = folder.at(name);
    file.lineage = lineage;
    file.birth_order = ++births_;
    file.labels = pipeline::LabelSet::from({{"lineage", lineage}});
    file.fresh = true;
    file.id = ledger->adopt(*source_, file.identity, file.path, file.birth_order);
    InodeKey key = file.identity.key;
    if (parked) REQUIRE(file.handle->park());
    shard->offer(std::move(file));
    return key;
  }
  void start() { shard->scan_done(std::make_shared<FoundFiles>()); }

  // Turns until there is nothing to do at this moment.
  void settle() {
    for (int i = 0; i < 1000; ++i) {
      auto rest = shard->turn();
      if (!rest || rest->count() > 0) return;
    }
    FAIL("the shard does not come to rest");
  }
  void pass(std::chrono::milliseconds time) {
    for (auto end = clock.monotonic() + time; clock.monotonic() < end;) {
      clock.advance(std::chrono::milliseconds(250));
      settle();
    }
  }
  std::vector<std::string> delivered() {
    sink().deliver_all();
    std::vector<std::string> lines;
    for (const auto& entry : server.entries()) lines.push_back(entry.line);
    return lines;
  }
  // The one source goes over to other stages.
  void restage(std::shared_ptr<const pipeline::StageList> stages) {
    auto options = std::make_shared<SourceOptions>(*source_);
    options->stages = std::move(stages);
    source_ = options;
    ReaderChange change;
    change.sources = {source_};
    change.restaged = {0};
    shard->change(std::move(change));
  }
  void file_finished(InodeKey key, size_t) override { finished.push_back(key); }

  TempFolder folder;
  pipeline::FakeClock clock;
  pipeline::Registry metrics;
  OpenFiles open_files{32, metrics};  // for 16 files, and scarce with 15
  MemoryBudget memory{64 << 20};
  ModelDisk disk;
  ModelServer server;
  std::unique_ptr<ModelLedger> ledger;
  std::vector<InodeKey> finished;
  std::unique_ptr<FileShard> shard;

 private:
  std::shared_ptr<const SourceOptions> source_;
  std::vector<std::unique_ptr<ModelSink>> sinks_;
  uint64_t births_ = 0;
};

}  // namespace agent::testing
