#include "server/query/log_query.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "server/query/log_part.h"

namespace server {

using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// Pieces come in rounds: the first looks at one, each further one at twice as many, up to this many for each thread. So
// the last hundred lines cost a page, and a search for a needle keeps every thread busy.
constexpr size_t kRoundPieces = 64;
constexpr size_t kStepPieces = 4;  // what a thread takes at once

// Everything to be looked at, the piece with the best time first.
std::vector<LogPiece> pieces_of(const LogSearch& search) {
  const Selection& selection = search.selection;
  auto best = [&](UnixNanos min_time, UnixNanos max_time) {
    return search.backward() ? std::min(max_time, selection.end - 1) : std::max(min_time, selection.begin);
  };
  std::vector<LogPiece> pieces;
  for (uint32_t part = 0; part < selection.stored.size(); ++part) {
    const StoredPart& stored = selection.stored[part];
    for (uint32_t page : stored.pages) {
      UnixNanos min_time = INT64_MAX, max_time = INT64_MIN;
      for (const PageRun& run : stored.object->runs(page)) {
        if (!stored.streams.contains(run.stream)) continue;
        min_time = std::min(min_time, run.min_time), max_time = std::max(max_time, run.max_time);
      }
      pieces.push_back({false, part, page, best(min_time, max_time)});
    }
  }
  for (uint32_t part = 0; part < selection.head.size(); ++part) {
    const auto& times = selection.head[part].entries.times;
    pieces.push_back({true, part, 0, best(times.front(), times.back())});
  }
  std::stable_sort(pieces.begin(), pieces.end(), [&](const LogPiece& a, const LogPiece& b) {
    return search.backward() ? a.best_time > b.best_time : a.best_time < b.best_time;
  });
  return pieces;
}

class LogRun {
 public:
  LogRun(const LogSearch& search, Selection& selection, const LogQueryOptions& options, QueryContext& context)
      : search_(search),
        selection_(selection),
        options_(options),
        context_(context),
        pieces_(pieces_of(search)),
        collector_(options.direction, options.limit, options.interval),
        memory_(context.memory, "the answer", "entries") {}

  Result<ResultStreams> run() {
    auto outcome = look_at_pieces();
    for (const auto& part : parts_) {
      context_.stats.add(part->stats);
      context_.objects_missing = context_.objects_missing || part->objects_missing;
      for (std::string& warning : part->warnings) context_.warnings.push_back(std::move(warning));
    }
    TRY(outcome);
    context_.stats.duplicates += collector_.duplicates();
    return group(collector_.finish());
  }

 private:
  Result<void> look_at_pieces() {
    part(0);
    size_t round = 1;
    for (size_t at = 0; at < pieces_.size(); at += round, round = next_round(round)) {
      if (!collector_.wants(pieces_[at].best_time)) {
        for (size_t i = at; i < pieces_.size(); ++i) context_.stats.pages_skipped_by_limit += !pieces_[i].in_head;
        break;
      }
      TRY(look_at({pieces_.data() + at, std::min(round, pieces_.size() - at)}));
      if (at + round >= head_end_) selection_.head = {};  // nobody looks at it any more
    }
    return {};
  }

  size_t next_round(size_t round) const { return std::min(2 * round, kRoundPieces * context_.turn.width()); }

  Result<void> look_at(std::span<const LogPiece> pieces) {
    const size_t threads = std::min(context_.turn.width(), pieces.size() / kStepPieces);
    if (threads < 2) {
      TRY(part(0).look_at(pieces, collector_, collector_, context_.turn));
      return memory_.hold(collector_.held_bytes(), collector_.size());
    }
    return look_at_with(threads, pieces);
  }

  // Each thread collects for itself; what they found is put together afterwards.
  Result<void> look_at_with(size_t threads, std::span<const LogPiece> pieces) {
    std::vector<EntryCollector> found(threads, EntryCollector(options_.direction, options_.limit, options_.interval));
    for (size_t i = 0; i < threads; ++i) part(i);
    std::atomic<size_t> next{0};
    std::mutex mutex;
    Result<void> outcome;
    context_.turn.run_parts(threads, [&](size_t index, QueryTurn& turn) {
      MemoryUse held(context_.memory, "the answer", "entries");
      for (size_t at = next.fetch_add(kStepPieces); at < pieces.size(); at = next.fetch_add(kStepPieces)) {
        auto step = pieces.subspan(at, std::min(kStepPieces, pieces.size() - at));
        auto done = parts_[index]->look_at(step, found[index], collector_, turn);
        if (done) done = held.hold(found[index].held_bytes(), found[index].size());
        if (done) continue;
        std::lock_guard lock(mutex);
        outcome = std::move(done);
        next = pieces.size();
      }
    });
    TRY(outcome);
    for (EntryCollector& collector : found) collector_.take(std::move(collector));
    return memory_.hold(collector_.held_bytes(), collector_.size());
  }

  LogPart& part(size_t index) {
    while (parts_.size() <= index) parts_.push_back(std::make_unique<LogPart>(search_));
    return *parts_[index];
  }

  // Entries in order become streams by their final labels.
  ResultStreams group(std::vector<CollectedEntry> entries) {
    std::map<LabelSet, ResultStream> streams;
    std::unordered_map<const ResultLabels*, ResultStream*> known;
    for (CollectedEntry& entry : entries) {
      ResultStream*& stream = known[entry.labels];
      const ResultLabels& labels = *entry.labels;
      if (stream == nullptr) {
        // Loki counts __error__ as parsed also where the stream was pushed with it.
        LabelSet key = options_.categorize_labels ? labels.stream.without(kErrorLabel) : labels.all();
        stream = &streams[key];
        stream->labels = std::move(key);
      }
      ResultEntry out{entry.time, std::move(entry.line), {}, {}};
      if (options_.categorize_labels) {
        out.structured_metadata = labels.metadata.labels(), out.parsed = labels.parsed.labels();
        if (auto error = labels.stream.get(kErrorLabel)) out.parsed.emplace_back(kErrorLabel, *error);
      }
      stream->entries.push_back(std::move(out));
      ++context_.stats.entries_returned;
    }
    ResultStreams out;
    for (auto& [key, stream] : streams) out.push_back(std::move(stream));
    return out;
  }

  // Of pieces_: behind the last one of the head.
  size_t head_end() const {
    auto last = std::find_if(pieces_.rbegin(), pieces_.rend(), [](const LogPiece& piece) { return piece.in_head; });
    return static_cast<size_t>(pieces_.rend() - last);
  }

  const LogSearch& search_;
  Selection& selection_;  // the same as that of search_
  const LogQueryOptions& options_;
  QueryContext& context_;
  const std::vector<LogPiece> pieces_;
  const size_t head_end_ = head_end();
  std::vector<std::unique_ptr<LogPart>> parts_;  // what was collected refers to them
  EntryCollector collector_;
  MemoryUse memory_;
};

}  // namespace

Result<ResultStreams> run_log_query(const LogPipeline& pipeline, const LogQueryOptions& options, Selection& selection,
                                    QueryContext& context) {
  LogSearch search{pipeline, selection, options.direction};
  return LogRun(search, selection, options, context).run();
}

}  // namespace server
