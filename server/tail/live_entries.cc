#include "server/tail/live_entries.h"

#include "server/logql/parser.h"

namespace server {

using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr size_t kMaxLabelSets = 20'000;  // kept by the pipeline to be found again; then it begins anew

}  // namespace

Result<std::unique_ptr<LiveEntries>> LiveEntries::create(const TailRequest& request, const TailFormat& format) {
  TRY_LET(LogPipeline pipeline, LogPipeline::compile(request.expr.stages));
  return std::unique_ptr<LiveEntries>(new LiveEntries(std::move(pipeline), request, format));
}

LiveEntries::LiveEntries(LogPipeline pipeline, const TailRequest& request, const TailFormat& format)
    : matchers_(compile_selector(request.expr.selector)),
      format_(format),
      categorize_(request.categorize_labels),
      hide_metadata_(request.expr.stages.empty() && !request.categorize_labels),
      pipeline_(std::move(pipeline)) {}

bool LiveEntries::wants(const Stream& stream) {
  if (const auto at = wanted_.find(stream.id); at != wanted_.end()) return at->second;
  if (wanted_.size() >= kMaxKnownStreams) wanted_.clear();
  const bool wanted = pipeline::matches_all(matchers_, stream.labels());
  wanted_.emplace(stream.id, wanted);
  return wanted;
}

std::vector<TailEntry> LiveEntries::process(std::span<const LiveRun> runs, const TailHistory& history) {
  if (!labels_ || labels_->size() > kMaxLabelSets) {
    run_.reset();
    labels_ = std::make_unique<LabelResults>();
    run_ = std::make_unique<PipelineRun>(pipeline_, *labels_);
  }
  current_ = nullptr;
  std::vector<TailEntry> out;
  for (const LiveRun& run : runs) {
    const EntrySlice& entries = run.addition.run.entries;
    for (size_t row = 0; row < entries.size(); ++row) {
      const UnixNanos time = entries.time(row);
      if (!is_new(*run.addition.stream, entries, row)) continue;
      if (run.frame <= history.last_frame && time >= history.begin && time < history.end) continue;
      process_run(run.addition, row, out);
    }
  }
  return out;
}

bool LiveEntries::is_new(const Stream& stream, const EntrySlice& entries, size_t row) {
  const UnixNanos time = entries.time(row);
  const std::string_view line = entries.line(row), metadata = entries.metadata(row).encoded();
  std::string bytes;
  bytes.reserve(sizeof stream.id + sizeof time + sizeof(uint64_t) + line.size() + metadata.size());
  auto append = [&bytes](const auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  append(stream.id);
  append(time);
  append(static_cast<uint64_t>(line.size()));
  bytes.append(line).append(metadata);
  const pipeline::Hash128 id = pipeline::hash128(bytes);
  if (!known_.insert(id).second) return false;
  known_order_.push_back(id);
  if (known_order_.size() > kRemembered) {
    known_.erase(known_order_.front());
    known_order_.pop_front();
  }
  return true;
}

void LiveEntries::process_run(const HeadAddition& addition, size_t row, std::vector<TailEntry>& out) {
  const Stream& stream = *addition.stream;
  const EntrySlice& entries = addition.run.entries;
  if (current_ != &stream) {
    current_labels_ = stream.labels();
    run_->begin_stream(current_labels_);
    current_ = &stream;
  }
  const UnixNanos time = entries.time(row);
  if (run_->process(time, entries.line(row), entries.metadata(row))) out.push_back(shown(time));
}

TailEntry LiveEntries::shown(UnixNanos time) {
  if (hide_metadata_) return format_.entry(time, run_->line(), current_labels_.labels(), {}, {});
  const ResultLabels& labels = labels_->at(run_->labels());
  if (!categorize_) return format_.entry(time, run_->line(), labels.all().labels(), {}, {});
  return format_.entry(time, run_->line(), labels.stream.labels(), labels.metadata.labels(), labels.parsed.labels());
}

}  // namespace server
