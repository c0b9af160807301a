// CollectingReader: a stream reader whose one sink writes down what it gets and has it acknowledged at once, or when
// told. For tests of stream sources.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/sink/progress.h"
#include "agent/stream/stream_source.h"
#include "pipeline/base/invariant.h"
#include "pipeline/config/config.h"
#include "pipeline/match/relabel.h"
#include "pipeline/match/relabel_config.h"

namespace agent {

class CollectingReader {
 public:
  struct Got {
    std::string labels, line;
    pipeline::UnixNanos time = 0;
  };

  // `relabel`: [[relabel]] tables.
  CollectingReader(std::shared_ptr<const StreamOptions> stream, std::string type, std::string_view relabel = "",
                   size_t max_line_bytes = kDefaultMaxLineBytes)
      : loop_(*pipeline::Loop::create()),
        store_(*CheckpointStore::open({":memory:", {"sink"}, std::chrono::milliseconds(1)}, registry_)),
        source_(options(std::move(stream), std::move(type), relabel, max_line_bytes)),
        reader_(std::make_unique<StreamReader>(*loop_, source_, memory_, clock_, registry_)) {
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(std::make_unique<Port>(*this));
    reader_->set_ports(std::move(ports));
    reader_->start();
  }
  ~CollectingReader() {
    reader_->stop();
    reader_->give_up();
    reader_.reset();
  }

  StreamParts parts() {
    return {*loop_, source_, *reader_, StreamCursors(*store_, "net", "sink"), memory_, clock_, registry_};
  }
  pipeline::Loop& loop() { return *loop_; }
  pipeline::Registry& registry() { return registry_; }
  CheckpointStore& store() { return *store_; }
  StreamReader& reader() { return *reader_; }

  std::vector<Got> got() {
    std::lock_guard lock(mutex_);
    return got_;
  }
  std::vector<std::string> lines() {
    std::vector<std::string> out;
    for (const Got& one : got()) out.push_back(one.line);
    return out;
  }
  // All that was taken, and from now on.
  void acknowledge() {
    {
      std::lock_guard lock(mutex_);
      acks = true;
      passed_ = taken_;
    }
    reader_->wake();
  }
  // Turns the loop until `condition` holds; false after 20 seconds, however many turns there were.
  template <class Condition>
  bool until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < give_up) loop_->turn(std::chrono::milliseconds(10));
    return condition();
  }
  bool has_metric(const std::string& line) { return registry_.render().find(line + "\n") != std::string::npos; }

  std::atomic<bool> full{false};  // of the sink; wake the reader after changing it
  std::atomic<bool> acks{true};

 private:
  class Port final : public SinkPort {
   public:
    explicit Port(CollectingReader& home) : home_(home) {}
    void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles*) override {
      std::lock_guard lock(home_.mutex_);
      for (size_t i = 0; i < batch.size(); i++)
        home_.got_.push_back({batch.label_sets->text(batch.labels[i]), std::string(batch.lines[i]), batch.times[i]});
      home_.taken_ = passed;
      if (home_.acks) home_.passed_ = passed;
    }
    const KeptRanges::OfFile* kept(FileId) const override { return nullptr; }
    std::optional<FilePosition> position(FileId file) const override {
      std::lock_guard lock(home_.mutex_);
      if (!(home_.passed_.file == file)) return FilePosition{file, 0, 0};
      return home_.passed_;
    }
    bool full() const override { return home_.full; }
    std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
    void close_due(std::chrono::nanoseconds) override {}
    void close_all() override {}
    std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override { return nullptr; }

   private:
    CollectingReader& home_;
  };

  static std::shared_ptr<const SourceOptions> options(std::shared_ptr<const StreamOptions> stream, std::string type,
                                                      std::string_view relabel, size_t max_line_bytes) {
    auto source = std::make_shared<SourceOptions>();
    source->name = "net";
    source->type = SourceType::kStream;
    source->stream_type = std::move(type);
    source->stream = std::move(stream);
    source->sinks = {0};
    source->max_line_bytes = max_line_bytes;
    auto document = pipeline::ConfigDocument::parse(relabel, "test.toml", {});
    INVARIANT(document.has_value());
    source->relabel =
        std::make_shared<const pipeline::RelabelRules>(pipeline::read_relabel_rules(document->root(), "relabel"));
    INVARIANT(document->finish().has_value());
    return source;
  }

  std::unique_ptr<pipeline::Loop> loop_;
  pipeline::Registry registry_;
  MemoryBudget memory_{64 << 20};
  pipeline::SystemClock clock_;
  std::unique_ptr<CheckpointStore> store_;
  std::shared_ptr<const SourceOptions> source_;
  std::mutex mutex_;
  std::vector<Got> got_;         // under mutex_
  FilePosition taken_, passed_;  // under mutex_
  std::unique_ptr<StreamReader> reader_;
};

}  // namespace agent
