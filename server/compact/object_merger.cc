#include "server/compact/object_merger.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "pipeline/base/hash.h"
#include "server/compact/merge_input.h"
#include "server/compact/period.h"
#include "server/store/object_writer.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Hash128;

namespace {

constexpr size_t kManyBuckets = 1024;  // clearing costs as much as there are buckets
constexpr int64_t kHourNanos = 3'600'000'000'000;

// The hours in which an object has entries; stops beyond `most`. Times are decoded only where a run crosses an hour.
Result<void> add_hours(ObjectStore& store, const ObjectRow& row, size_t most, std::set<int64_t>& hours) {
  TRY_LET(auto object, ObjectReader::open(store, row.key, row.summary.size, row.summary.footer_length));
  std::vector<uint32_t> crossing;
  for (uint32_t page = 0; page < object->pages().size(); ++page) {
    bool crosses = false;
    for (const PageRun& run : object->runs(page)) {
      hours.insert(hour_of(run.min_time));
      crosses |= hour_of(run.min_time) != hour_of(run.max_time);
    }
    if (crosses) crossing.push_back(page);
  }
  PageCursor cursor(object, std::move(crossing));
  while (hours.size() <= most && cursor.next()) {
    TRY_LET(auto times, cursor.times());
    for (UnixNanos time : times) hours.insert(hours.end(), hour_of(time));
  }
  return {};
}

// The shortest kind of period of which the inputs touch at most `most`.
Result<int64_t> choose_period_hours(ObjectStore& store, std::span<const ObjectRow> inputs, size_t most) {
  std::set<int64_t> hours;
  for (const ObjectRow& row : inputs) {
    TRY(add_hours(store, row, most, hours));
    if (hours.size() > most) break;
  }
  if (hours.size() <= most) return 1;
  // Too many hours to know them all: count longer periods by the span.
  int64_t first = kEverything, last = -kEverything;
  for (const ObjectRow& row : inputs) {
    first = std::min(first, hour_of(row.summary.min_time));
    last = std::max(last, hour_of(row.summary.max_time));
  }
  for (int64_t period_hours : kPeriodHours) {
    if (period_hours == 1) continue;
    int64_t periods = period_of_hour(last, period_hours).number - period_of_hour(first, period_hours).number + 1;
    if (static_cast<uint64_t>(periods) <= most) return period_hours;
  }
  return kEverything;
}

class Merger {
 public:
  Merger(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids, const MergeOptions& options,
         const std::atomic<bool>& cancelled)
      : store_(store), cluster_(cluster), ulids_(ulids), options_(options), cancelled_(cancelled) {}

  Result<MergeOutcome> merge(std::span<const ObjectRow> rows) {
    TRY_LET(period_hours_, choose_period_hours(store_, rows, options_.most_periods));
    for (const ObjectRow& row : rows) {
      lineage_.push_back(row.summary.object);
      TRY_LET(MergeInput input, MergeInput::open(store_, row));
      inputs_.push_back(std::move(input));
    }
    for (;;) {
      choose_stream();
      if (chosen_.empty()) break;
      TRY(merge_stream());
    }
    while (!outputs_.empty()) TRY(finish(outputs_.begin()));
    return std::move(outcome_);
  }

  void remove_outputs() {
    for (const ObjectRow& row : outcome_.outputs) (void)store_.remove(row.key);
  }

 private:
  struct Output {
    std::string key;
    std::unique_ptr<ObjectUpload> upload;
    std::unique_ptr<ObjectWriter> writer;
  };
  using Outputs = std::map<Period, Output>;

  // Fills chosen_ with the inputs that have the smallest stream.
  void choose_stream() {
    chosen_.clear();
    for (MergeInput& input : inputs_) {
      if (input.at_end()) continue;
      auto order = std::strong_ordering::equal;
      if (!chosen_.empty()) {
        order = input.tenant() <=> chosen_[0]->tenant();
        if (order == 0) order = input.labels() <=> chosen_[0]->labels();
      }
      if (order < 0) chosen_.clear();
      if (order <= 0) chosen_.push_back(&input);
    }
  }

  Result<void> merge_stream() {
    tenant_ = chosen_[0]->tenant();
    labels_ = chosen_[0]->labels();
    std::vector<MergeInput*> all = chosen_;
    for (;;) {
      std::erase_if(chosen_, [](MergeInput* input) { return input->rows().empty(); });
      if (chosen_.empty()) break;
      if (cancelled_.load(std::memory_order_relaxed)) return fail(Errc::kCancelled, "merge objects: stopping");
      TRY(merge_step());
    }
    for (MergeInput* input : all) TRY(input->next_stream());
    for (auto it = outputs_.begin(); it != outputs_.end();) {
      auto next = std::next(it);
      if (it->second.writer->stored_bytes() >= options_.target_bytes) TRY(finish(it));
      it = next;
    }
    return {};
  }

  // Writes what one input alone has next, or all entries of the next time.
  Result<void> merge_step() {
    MergeInput* first = nullptr;
    bool several = false;  // inputs go on at the same time
    UnixNanos other = 0;   // the next time of the inputs but `first`
    bool others = false;
    for (MergeInput* input : chosen_) {
      UnixNanos time = input->rows().time(0);
      if (first == nullptr) {
        first = input;
      } else if (time < first->rows().time(0)) {
        other = first->rows().time(0), others = true, several = false;
        first = input;
      } else if (!others || time < other) {
        other = time, others = true;
      }
      several = others && other == first->rows().time(0);
    }
    if (several) return merge_time(first->rows().time(0));
    size_t rows = others ? first->rows().lower_bound(other) : first->rows().size();
    TRY(write(first->rows().slice(0, rows)));
    return first->consume(rows);
  }

  // All entries of `time`, input by input, each once.
  Result<void> merge_time(UnixNanos time) {
    if (seen_.bucket_count() > kManyBuckets) seen_ = {};
    seen_.clear();
    for (MergeInput* input : chosen_) {
      while (!input->rows().empty() && input->rows().time(0) == time) {
        const EntrySlice& rows = input->rows();
        Hash128 hash = pipeline::hash128(rows.line(0));
        if (rows.has_metadata() && !rows.metadata(0).empty()) {
          Hash128 metadata = pipeline::hash128(rows.metadata(0).encoded());
          hash.high ^= metadata.low * 0x9e37'79b9'7f4a'7c15, hash.low += metadata.high;
        }
        if (seen_.insert(hash).second) {
          TRY(write(rows.slice(0, 1)));
        } else {
          ++outcome_.repeated;
        }
        TRY(input->consume(1));
      }
    }
    return {};
  }

  Result<void> write(EntrySlice rows) {
    outcome_.entries += rows.size();
    while (!rows.empty()) {
      Period period = period_of_hour(hour_of(rows.time(0)), period_hours_);
      size_t end = rows.size();
      if (period_of_hour(hour_of(rows.times.back()), period_hours_) != period) {
        end = rows.lower_bound(period.end_hour() * kHourNanos);
      }
      TRY_LET(Output * output, output_of(period));
      TRY(output->writer->append(tenant_, labels_, rows.slice(0, end)));
      rows = rows.slice(end, rows.size());
    }
    return {};
  }

  Result<Output*> output_of(Period period) {
    auto it = outputs_.find(period);
    if (it != outputs_.end()) return &it->second;
    constexpr int kLevel = 2;
    ObjectWriterOptions options{.cluster = cluster_, .object = ulids_.make(), .level = kLevel, .inputs = lineage_};
    options.zstd_level = options_.zstd_level;
    options.with_filter = options_.with_filter;
    Output output;
    output.key = object_key(cluster_, kLevel, options.object);
    TRY_LET(output.upload, store_.create(output.key));
    output.writer = std::make_unique<ObjectWriter>(std::move(options), *output.upload);
    return &outputs_.emplace(period, std::move(output)).first->second;
  }

  Result<void> finish(Outputs::iterator it) {
    Output output = std::move(it->second);
    outputs_.erase(it);
    TRY_LET(ObjectSummary summary, output.writer->finish());
    outcome_.outputs.push_back({output.key, std::move(summary)});  // before commit: its outcome may be unknown
    return output.upload->commit();
  }

  ObjectStore& store_;
  const Ulid cluster_;
  UlidMaker& ulids_;
  const MergeOptions& options_;
  const std::atomic<bool>& cancelled_;
  int64_t period_hours_ = 1;
  std::vector<Ulid> lineage_;
  std::vector<MergeInput> inputs_;
  std::vector<MergeInput*> chosen_;  // of the stream being merged, those with entries left; in order of inputs_
  std::string tenant_;
  pipeline::LabelSet labels_;
  std::unordered_set<Hash128> seen_;
  Outputs outputs_;
  MergeOutcome outcome_;
};

}  // namespace

Result<MergeOutcome> merge_objects(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids,
                                   std::span<const ObjectRow> inputs, const MergeOptions& options,
                                   const std::atomic<bool>& cancelled) {
  Merger merger(store, cluster, ulids, options, cancelled);
  auto outcome = merger.merge(inputs);
  if (!outcome) merger.remove_outputs();
  return outcome;
}

}  // namespace server
