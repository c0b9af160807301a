// LiveEntries: entries of the commit feed in, what a tail shows of them out: the selector, the pipeline, and each entry
// once, also when its push was sent again.
//
// Thread:  wants(): one at a time, beside process(); process(): one at a time.
// Limits:  an entry is known again among the last kRemembered that went through.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pipeline/base/hash.h"
#include "pipeline/match/matcher.h"
#include "server/ingest/head.h"
#include "server/logql/log_pipeline.h"
#include "server/tail/tail_frame.h"
#include "server/tail/tail_request.h"

namespace server {

// Runs of the feed with the frame they came in.
struct LiveRun {
  uint64_t frame = 0;
  HeadAddition addition;
};

// What the history has shown already.
struct TailHistory {
  std::vector<TailEntry> entries;          // oldest first
  uint64_t last_frame = 0;                 // it read frames up to this one
  pipeline::UnixNanos begin = 0, end = 0;  // of these times; where the limit cut it, of the times it showed
};

class LiveEntries {
 public:
  static constexpr size_t kRemembered = 1 << 15;
  static constexpr size_t kMaxKnownStreams = 100'000;

  static pipeline::Result<std::unique_ptr<LiveEntries>> create(const TailRequest& request, const TailFormat& format);

  bool wants(const Stream& stream);
  // In the order of the runs. Leaves out what `history` has.
  std::vector<TailEntry> process(std::span<const LiveRun> runs, const TailHistory& history);

 private:
  LiveEntries(LogPipeline pipeline, const TailRequest& request, const TailFormat& format);
  bool is_new(const Stream& stream, const EntrySlice& entries, size_t row);
  void process_run(const HeadAddition& addition, size_t row, std::vector<TailEntry>& out);
  TailEntry shown(pipeline::UnixNanos time);  // of the current stream

  const std::vector<pipeline::Matcher> matchers_;
  const TailFormat& format_;
  const bool categorize_;
  const bool hide_metadata_;  // as Loki: without a pipeline live entries have the labels of their stream alone
  std::unordered_map<pipeline::StreamId, bool> wanted_;

  const LogPipeline pipeline_;
  std::unique_ptr<LabelResults> labels_;
  std::unique_ptr<PipelineRun> run_;
  const Stream* current_ = nullptr;  // what run_ was told of, within one process()
  LabelSet current_labels_;
  std::unordered_set<pipeline::Hash128> known_;
  std::deque<pipeline::Hash128> known_order_;
};

}  // namespace server
