#include "server/compact/object_merger.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <unordered_set>

#include "pipeline/base/hash.h"
#include "server/compact/merge_input.h"
#include "server/compact/merge_periods.h"
#include "server/store/object_writer.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Hash128;

namespace {

constexpr size_t kManyBuckets = 1024;  // clearing costs as much as there are buckets
constexpr int64_t kHourNanos = 3'600'000'000'000;
constexpr uint64_t kEntriesBetweenLooks = 4096;

// Saturated.
UnixNanos nanos_of_hour(int64_t hour) {
  constexpr int64_t kLast = std::numeric_limits<UnixNanos>::max() / kHourNanos;
  if (hour > kLast) return std::numeric_limits<UnixNanos>::max();
  return hour < -kLast ? std::numeric_limits<UnixNanos>::min() : hour * kHourNanos;
}

class Merger {
 public:
  Merger(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids, const MergeJob& job, const MergeOptions& options,
         const std::atomic<bool>& cancelled, MergeWatch& watch)
      : store_(store),
        cluster_(cluster),
        ulids_(ulids),
        job_(job),
        options_(options),
        cancelled_(cancelled),
        watch_(watch) {}

  Result<MergeOutcome> merge() {
    for (const ObjectRow& row : job_.inputs) {
      lineage_.push_back(row.summary.object);
      auto object = ObjectReader::open(store_, row.key, row.summary.size, row.summary.footer_length);
      if (!object && job_.damage == Damage::kIsLeftOut && object.error().code == Errc::kCorrupt) {
        outcome_.unreadable += row.summary.rows;
        continue;
      }
      TRY(object);
      last_frame_ = std::max(last_frame_, (*object)->last_frame());
      objects_.push_back(*std::move(object));
    }
    TRY_LET(auto periods, choose_periods(objects_, options_.most_periods, job_.damage));
    if (!periods.empty()) period_hours_ = periods[0].hours;
    const size_t at_once = std::max<size_t>(1, options_.most_outputs / classes());
    for (size_t i = 0; i < periods.size(); i += at_once) {
      const bool last = i + at_once >= periods.size();
      TRY(merge_pass(
          i == 0 ? kNoTime : nanos_of_hour(periods[i].begin_hour()),
          last ? std::numeric_limits<UnixNanos>::max() : nanos_of_hour(periods[i + at_once].begin_hour()) - 1));
    }
    if (seal_) TRY(finish(*seal_));
    outcome_.expired = erased_.expired;
    outcome_.unreadable += erased_.unreadable;
    for (const auto& [number, count] : erased_.by_request) outcome_.erased.push_back(count);
    return std::move(outcome_);
  }

  void remove_outputs() {
    for (const ObjectRow& row : outcome_.outputs) (void)store_.remove(row.key);
  }

 private:
  struct Output {
    Ulid object;
    std::string key;
    std::unique_ptr<ObjectUpload> upload;
    std::unique_ptr<ObjectWriter> writer;
  };
  using Place = std::pair<Period, int64_t>;  // and the retention period of what is in it, in nanoseconds
  using Outputs = std::map<Place, Output>;

  // Into how many retention periods the streams fall.
  size_t classes() const {
    std::set<int64_t> found;
    for (const auto& object : objects_) {
      std::shared_ptr<const TenantErasures> erasures;
      uint32_t tenant = 0;
      for (const StreamInfo& stream : object->streams()) {
        if (!erasures || tenant != stream.tenant) {
          tenant = stream.tenant;
          erasures = job_.erasures.of(object->tenants()[tenant]);
          if (!erasures->by_stream()) found.insert(erasures->period_of({}).count());
        }
        if (erasures->by_stream()) found.insert(erasures->period_of(object->labels(stream)).count());
      }
    }
    return std::max<size_t>(1, found.size());
  }

  // All entries with first <= time <= last.
  Result<void> merge_pass(UnixNanos first, UnixNanos last) {
    inputs_.clear();
    inputs_.reserve(objects_.size());
    for (const auto& object : objects_) {
      TRY_LET(MergeInput input, MergeInput::open(object, first, last, job_.erasures, job_.damage, erased_));
      inputs_.push_back(std::move(input));
    }
    for (;;) {
      choose_stream();
      if (chosen_.empty()) break;
      TRY(merge_stream());
    }
    while (!outputs_.empty()) TRY(close(outputs_.begin()));
    return {};
  }

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
    if (tenant_ != chosen_[0]->tenant()) TRY(begin_tenant(chosen_[0]->tenant()));
    labels_ = chosen_[0]->labels();
    class_ = job_.erasures.of(tenant_)->period_of(labels_).count();
    std::vector<MergeInput*> all = chosen_;
    for (;;) {
      std::erase_if(chosen_, [](MergeInput* input) { return input->rows().empty(); });
      if (chosen_.empty()) break;
      TRY(look_around());
      TRY(merge_step());
    }
    for (MergeInput* input : all) TRY(input->next_stream());
    for (auto it = outputs_.begin(); it != outputs_.end();) {
      auto next = std::next(it);
      if (it->second.writer->streams() >= options_.target_streams) TRY(close(it));
      it = next;
    }
    return {};
  }

  Result<void> look_around() {
    if (cancelled_.load(std::memory_order_relaxed)) return fail(Errc::kCancelled, "merge objects: stopping");
    if (outcome_.entries + outcome_.repeated < next_look_) return {};
    next_look_ = outcome_.entries + outcome_.repeated + kEntriesBetweenLooks;
    return watch_.on_progress();
  }

  Result<void> begin_tenant(const std::string& tenant) {
    tenant_ = tenant;
    for (auto it = outputs_.begin(); it != outputs_.end();) {
      auto next = std::next(it);
      if (it->second.writer->stored_bytes() >= options_.target_bytes / 2) TRY(close(it));
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
      TRY_LET(auto it, output_of({period, class_}));
      TRY(it->second.writer->append(tenant_, labels_, rows.slice(0, end)));
      if (it->second.writer->stored_bytes() >= options_.target_bytes) TRY(close(it));
      rows = rows.slice(end, rows.size());
    }
    return {};
  }

  Result<Outputs::iterator> output_of(const Place& place) {
    auto it = outputs_.find(place);
    if (it != outputs_.end()) return it;
    constexpr int kLevel = 2;
    ObjectWriterOptions options{.cluster = cluster_, .object = ulids_.make(), .level = kLevel, .inputs = lineage_};
    options.effort = options_.effort;
    options.with_filter = options_.with_filter;
    options.deletes_applied = job_.deletes_applied;
    options.retention_seconds = static_cast<uint64_t>(place.second / 1'000'000'000);
    options.last_frame = last_frame_;
    if (seal_object_ == Ulid{}) seal_object_ = options.object;
    options.seal = seal_object_;
    Output output;
    output.object = options.object;
    output.key = object_key(cluster_, kLevel, options.object);
    TRY(watch_.on_output(output.object, output.key));
    TRY_LET(output.upload, store_.create(output.key));
    output.writer = std::make_unique<ObjectWriter>(std::move(options), *output.upload);
    return outputs_.emplace(place, std::move(output)).first;
  }

  // The seal, which is the first that was begun, waits until all others are in the store.
  Result<void> close(Outputs::iterator it) {
    Output output = std::move(it->second);
    outputs_.erase(it);
    if (output.object != seal_object_) return finish(output);
    seal_ = std::move(output);
    return {};
  }

  Result<void> finish(Output& output) {
    TRY_LET(ObjectSummary summary, output.writer->finish());
    outcome_.outputs.push_back({output.key, std::move(summary)});  // before commit: its outcome may be unknown
    return output.upload->commit();
  }

  ObjectStore& store_;
  const Ulid cluster_;
  UlidMaker& ulids_;
  const MergeJob& job_;
  const MergeOptions& options_;
  const std::atomic<bool>& cancelled_;
  MergeWatch& watch_;
  int64_t period_hours_ = 1;
  uint64_t last_frame_ = 0;
  uint64_t next_look_ = 0;
  std::vector<Ulid> lineage_;
  std::vector<std::shared_ptr<const ObjectReader>> objects_;
  MergeErased erased_;
  std::vector<MergeInput> inputs_;
  std::vector<MergeInput*> chosen_;  // of the stream being merged, those with entries left; in order of inputs_
  std::string tenant_;
  pipeline::LabelSet labels_;
  int64_t class_ = 0;  // retention period of the stream
  std::unordered_set<Hash128> seen_;
  Outputs outputs_;
  Ulid seal_object_;
  std::optional<Output> seal_;  // complete but for its footer
  MergeOutcome outcome_;
};

}  // namespace

Result<MergeOutcome> merge_objects(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids, const MergeJob& job,
                                   const MergeOptions& options, const std::atomic<bool>& cancelled, MergeWatch& watch) {
  Merger merger(store, cluster, ulids, job, options, cancelled, watch);
  auto outcome = merger.merge();
  if (!outcome) merger.remove_outputs();
  return outcome;
}

}  // namespace server
