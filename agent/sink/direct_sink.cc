#include "agent/sink/direct_sink.h"

#include <cerrno>
#include <unistd.h>

#include "agent/sink/outgoing_labels.h"
#include "pipeline/base/invariant.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::Batch;

namespace {
const std::vector<pipeline::Metadata> kNoMetadata;
}

class DirectSink::Port final : public SinkPort {
 public:
  explicit Port(DirectSink& sink) : sink_(sink), outgoing_(sink.options_.labels, "") {}

  void append(const Batch& batch, const FilePosition& passed, const ElderFiles* elders) override {
    if (sink_.is_broken_) return;
    outgoing_.renew(*batch.label_sets);
    const KeptRanges::OfFile* kept = passed.file ? sink_.kept_.of(passed.file) : nullptr;
    SinkMetrics::Volume volume;
    text_.clear();
    for (size_t row = 0; row < batch.size(); row++) {
      if (elders != nullptr) {
        auto kept_of = [this](FileId file) { return sink_.kept_.of(file); };
        if (is_kept(elders, passed.file, batch.origins_of(row), kept_of)) continue;
      } else if (kept && kept->has_all(batch.origins_of(row))) {
        continue;
      }
      volume.entries++, volume.bytes += batch.lines[row].size();
      if (sink_.fd_ != kNoFd) format(batch, row);
    }
    if (!text_.empty() && !sink_.write(text_)) return;
    sink_.metrics_.take(volume);
    sink_.metrics_.sent(volume, text_.size(), "");
    if (!passed.file) return;
    sink_.progress_.pass(passed);
    sink_.saver_.progressed();
  }
  const KeptRanges::OfFile* kept(FileId file) const override { return sink_.kept_.of(file); }
  std::optional<FilePosition> position(FileId file) const override { return sink_.progress_.position(file); }
  bool full() const override { return sink_.is_broken_; }
  std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
  void close_due(std::chrono::nanoseconds) override {}
  void close_all() override {}
  std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override {
    INVARIANT(false);  // unacked() is empty
    return nullptr;
  }

 private:
  void format(const Batch& batch, size_t row) {
    pipeline::append_entry_json(text_, batch.times[row], outgoing_.at(*batch.label_sets, batch.labels[row]).labels,
                                batch.lines[row], batch.has_metadata() ? batch.metadata(row) : kNoMetadata);
  }

  DirectSink& sink_;
  OutgoingLabels outgoing_;
  std::string text_;
};

DirectSink::DirectSink(pipeline::Loop& loop, SinkOptions options, int fd, Broken broken, CheckpointStore& store,
                       pipeline::Registry& registry)
    : loop_(loop),
      options_(std::move(options)),
      name_(options_.name),
      fd_(fd),
      broken_(std::move(broken)),
      metrics_(registry, options_.name, ""),
      kept_(store.resume().sinks.at(options_.name)),
      progress_(store.resume().sinks.at(options_.name).positions,
                [this, &store](FilePosition first) { store.save_positions(name_, {first}); }),
      saver_(loop, store, options_.name, progress_) {}

std::unique_ptr<SinkPort> DirectSink::open_port(std::function<void()>) { return std::make_unique<Port>(*this); }

bool DirectSink::write(std::string_view text) {
  std::lock_guard lock(write_mutex_);
  while (!text.empty()) {
    ssize_t n = ::write(fd_, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      pipeline::Error error = pipeline::system_error(pipeline::concat("sink \"", name_, "\": write"), errno);
      if (!is_broken_.exchange(true)) broken_(std::move(error));
      return false;
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

pipeline::Result<std::function<void()>> DirectSink::prepare_change(SinkOptions options) {
  return std::function<void()>([this, options = std::move(options)] { options_ = options; });
}

void DirectSink::stop(std::chrono::nanoseconds, std::function<void()> done) {
  if (std::exchange(stopped_, true)) return;
  saver_.save();
  loop_.post(std::move(done));
}

}  // namespace agent
