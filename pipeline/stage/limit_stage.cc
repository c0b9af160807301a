// The stage `limit` (agent.md 5.14, 11.15): at most so many lines a second, of the whole source or for each value of a
// label. Time is the read time of the lines.
//
// Without `drop` nothing is lost: the lines pass, and their reader rests until the rate allows more (StageMemory::
// resume_at()), so a block read at once may overshoot the rate by its own lines, and is paid for by the rest after it.
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/model/quoted_text.h"
#include "pipeline/stage/stage_kinds.h"

namespace pipeline {

namespace {

constexpr size_t kMinDistinctLabels = 10000;  // as upstream: fewer are not worth the loss of buckets
constexpr std::string_view kReason = "ratelimit_drop_stage";

struct LimitOptions {
  double rate = 0;  // lines a second
  double burst = 0;
  bool drop = false;
  std::string label;  // "": one bucket for all
  size_t max_labels = kMinDistinctLabels;
};

// Holds up to `burst` tokens and gets `rate` of them a second; a line takes one.
struct Bucket {
  double tokens = 0;
  UnixNanos filled = 0;  // 0: never
  uint64_t dropped = 0;  // of this label value

  void fill(const LimitOptions& options, UnixNanos now) {
    if (filled == 0) {
      tokens = options.burst;
    } else if (now > filled) {
      tokens = std::min(options.burst, tokens + static_cast<double>(now - filled) * 1e-9 * options.rate);
    } else {
      return;  // another file's line, read a little earlier
    }
    filled = now;
  }
  bool take(const LimitOptions& options, UnixNanos now) {
    fill(options, now);
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }
};

// Buckets by label value, in two generations: when the young one is full it becomes the old one, and what has not been
// used since the last time is forgotten.
class Buckets {
 public:
  explicit Buckets(size_t max) : max_(max) {}

  Bucket& of(std::string_view value) {
    auto [at, is_new] = young_.try_emplace(std::string(value));
    if (!is_new) return at->second;
    if (auto old = old_.find(at->first); old != old_.end()) at->second = old->second;
    if (young_.size() < max_) return at->second;
    old_ = std::move(young_);
    young_.clear();
    for (auto& [key, bucket] : old_) bucket.dropped = 0;
    return old_.find(std::string(value))->second;
  }
  template <class Each>
  void for_each(Each each) const {
    for (const auto& [value, bucket] : young_) each(value, bucket);
    for (const auto& [value, bucket] : old_) {
      if (!young_.contains(value)) each(value, bucket);
    }
  }

 private:
  const size_t max_;
  std::unordered_map<std::string, Bucket> young_, old_;
};

struct LimitMemory final : StageMemory {
  explicit LimitMemory(StageUse used) : use(used) {}
  const StageUse use;
  std::vector<uint8_t> keep;
  UnixNanos resume = 0;

  std::optional<UnixNanos> resume_at() const override {
    if (resume == 0) return std::nullopt;
    return resume;
  }
};

class LimitStage final : public Stage {
 public:
  explicit LimitStage(LimitOptions options) : options_(std::move(options)), by_label_(options_.max_labels) {}

  std::unique_ptr<StageMemory> make_memory(StageUse use) const override { return std::make_unique<LimitMemory>(use); }
  void add_reads(FieldNames&) const override {}

  void process(Batch& batch, StageMemory& stage_memory, DropCounts& drops) const override {
    auto& memory = static_cast<LimitMemory&>(stage_memory);
    if (memory.use == StageUse::kRebuild) return;
    std::lock_guard lock(mutex_);
    if (!options_.drop) return slow_down(batch, memory);
    memory.keep.assign(batch.size(), 1);
    uint64_t lines = 0, bytes = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i) || allows(batch, i)) continue;
      memory.keep[i] = 0;
      ++lines, bytes += batch.lines[i].size();
    }
    if (lines == 0) return;
    drops.add(kReason, lines, bytes);
    batch.retain(memory.keep);
  }

  void append_metrics(MetricPage& page, UnixNanos) const override {
    if (options_.label.empty()) return;
    std::lock_guard lock(mutex_);
    std::map<std::string, uint64_t> sorted;
    by_label_.for_each([&](const std::string& value, const Bucket& bucket) {
      if (bucket.dropped > 0) sorted.emplace(value, bucket.dropped);
    });
    for (const auto& [value, dropped] : sorted) {
      page.add("loki_process_dropped_lines_by_label_total",
               "A count of all log lines dropped as a result of a pipeline stage", MetricType::kCounter,
               {{"label_name", options_.label}, {"label_value", value}}, dropped);
    }
  }

 private:
  bool allows(const Batch& batch, size_t row) const {
    const UnixNanos now = batch.read_time(row);
    if (options_.label.empty()) return bucket_.take(options_, now);
    auto value = batch.label_sets->at(batch.labels[row]).get(options_.label);
    if (!value) return true;
    Bucket& bucket = by_label_.of(*value);
    if (bucket.take(options_, now)) return true;
    ++bucket.dropped;
    return false;
  }

  void slow_down(const Batch& batch, LimitMemory& memory) const {
    UnixNanos now = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!batch.active(i)) continue;
      now = batch.read_time(i);
      bucket_.fill(options_, now);
      bucket_.tokens -= 1;
    }
    memory.resume = 0;
    if (now != 0 && bucket_.tokens < 0) {
      memory.resume = now + static_cast<UnixNanos>(std::ceil(-bucket_.tokens / options_.rate * 1e9));
    }
  }

  const LimitOptions options_;
  mutable std::mutex mutex_;
  mutable Bucket bucket_;     // under mutex_
  mutable Buckets by_label_;  // under mutex_
};

constexpr StageArgument kArguments[] = {
    {"rate", ArgumentType::kNumber, "", true, "lines a second, on average"},
    {"burst", ArgumentType::kInteger, "0", true, "lines that may come at once"},
    {"drop", ArgumentType::kBoolean, "false", false, "drop what is too much; otherwise reading slows down"},
    {"by_label_name", ArgumentType::kText, "", false,
     "a limit for each value of this label; entries without it pass. With drop only"},
    {"max_distinct_labels", ArgumentType::kInteger, "10000", false,
     "values of the label that are known at a time, at least 10000; those not seen for long start anew"}};

Result<std::unique_ptr<Stage>> build(const StageArguments& arguments) {
  LimitOptions options{.rate = arguments.number("rate"),
                       .burst = static_cast<double>(arguments.integer("burst")),
                       .drop = arguments.boolean("drop"),
                       .label = arguments.text("by_label_name"),
                       .max_labels = static_cast<size_t>(std::max<int64_t>(arguments.integer("max_distinct_labels"),
                                                                           static_cast<int64_t>(kMinDistinctLabels)))};
  if (!(options.rate > 0) || options.burst <= 0) {
    return fail(Errc::kInvalid, "limit stage failed to parse rate or burst");
  }
  if (!options.label.empty() && !options.drop) {
    return fail(Errc::kInvalid, "when ratelimiting by label, drop must be true");
  }
  return std::make_unique<LimitStage>(std::move(options));
}

}  // namespace

const StageKind kLimitStage = {"limit", "lets so many lines a second pass", kArguments, build};

}  // namespace pipeline
