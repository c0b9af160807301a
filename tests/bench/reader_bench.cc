// Measures reading alone: ten CRI files through the shard and the stage `cri` into a port that counts. CPU time.
//   reader_bench [megabytes]
#include <cstdio>
#include <cstdlib>
#include <time.h>

#include "agent/source/file_shard.h"
#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using namespace agent::testing;

namespace {
class CountingPort final : public SinkPort {
 public:
  CountingPort(uint64_t& lines, uint64_t& bytes) : lines_(lines), bytes_(bytes) {}
  void append(const pipeline::Batch& batch, const FilePosition&, const agent::ElderFiles*) override {
    lines_ += batch.size();
    for (std::string_view line : batch.lines) bytes_ += line.size();
  }
  const KeptRanges::OfFile* kept(FileId) const override { return nullptr; }
  std::optional<FilePosition> position(FileId) const override { return std::nullopt; }
  bool full() const override { return false; }
  std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
  void close_due(std::chrono::nanoseconds) override {}
  void close_all() override {}
  std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override { return nullptr; }

 private:
  uint64_t &lines_, &bytes_;
};

struct Events final : ReaderEvents {
  void file_finished(InodeKey, size_t) override {}
};

double cpu_seconds() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void write_files(const TempFolder& folder, size_t bytes) {
  for (int file = 0; file < 10; ++file) {
    std::string text;
    for (int i = 0; text.size() < bytes / 10; ++i) {
      char line[600];
      int size = std::snprintf(
          line, sizeof(line), "2026-11-21T10:%02d:%02d.%09dZ stdout F {\"level\":\"info\",\"n\":%d,\"msg\":\"%.*s\"}\n",
          i / 60 % 60, i % 60, i, i, 100 + i % 150,
          "the quick brown fox jumps over the lazy dog and then it goes on to do the same thing again "
          "and again until somebody tells it to stop, which nobody ever does, as far as we know, so it "
          "is still jumping around out there, in the dark, over dogs");
      text.append(line, static_cast<size_t>(size));
    }
    folder.append("f" + std::to_string(file), text);
  }
}

void measure(const TempFolder& folder, std::shared_ptr<const pipeline::StageList> stages, const char* what) {
  auto options = std::make_shared<SourceOptions>();
  options->name = "bench";
  options->sinks = {0};
  options->stages = std::move(stages);
  ModelDisk disk;
  std::vector<std::unique_ptr<ModelSink>> sinks;
  ModelLedger ledger(disk, sinks);
  MemoryBudget memory(64 << 20);
  pipeline::SystemClock clock;
  pipeline::Registry metrics;
  Events events;
  uint64_t lines = 0, bytes = 0;
  FileShard shard({}, {options}, ledger, memory, clock, metrics);
  std::vector<std::unique_ptr<SinkPort>> ports;
  ports.push_back(std::make_unique<CountingPort>(lines, bytes));
  shard.set_ports(std::move(ports));
  shard.set_events(events);
  uint64_t total = 0;
  for (uint64_t i = 0; i < 10; ++i) {
    OfferedFile file;
    const std::string path = folder.at("f" + std::to_string(i));
    file.path = path;
    file.handle = *FileHandle::open(path);
    total += file.handle->status()->size_bytes;
    file.identity = FileIdentity::of(file.handle->status()->key, *file.handle->head());
    file.lineage = path;
    file.birth_order = i;
    file.labels = pipeline::LabelSet::from({{"pod", std::to_string(i)}});
    file.id = ledger.adopt(*options, file.identity, path, i);
    shard.offer(std::move(file));
  }
  shard.scan_done(std::make_shared<FoundFiles>());
  double begin = cpu_seconds();
  while (true) {
    auto rest = shard.turn();
    if (!rest || rest->count() > 0) break;
  }
  double seconds = cpu_seconds() - begin;
  std::printf("%-12s %8.2f M lines/s %8.1f MB/s %6.1f ns/line\n", what, static_cast<double>(lines) / seconds / 1e6,
              static_cast<double>(total) / seconds / 1e6, seconds * 1e9 / static_cast<double>(lines));
}
}  // namespace

int main(int argc, char** argv) {
  size_t megabytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500;
  TempFolder folder;
  write_files(folder, megabytes << 20);
  auto document = pipeline::ConfigDocument::parse("[[stage]]\ntype = \"cri\"\n", "bench");
  auto cri = pipeline::StageList::build(document->root(), "stage");
  for (int round = 0; round < 3; ++round) {
    measure(folder, nullptr, "split");
    measure(folder, cri, "split + cri");
  }
}
