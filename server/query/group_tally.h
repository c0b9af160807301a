// GroupTally: counts rows of a page into RangeValues by groups of structured metadata. The pipeline decides once per
// stream and group what becomes of its rows; then a row costs an addition.
//
// Life:    refers to what it was made with. Thread: one at a time.
#pragma once

#include <span>
#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/logql/range_values.h"
#include "server/query/selection.h"
#include "server/store/metadata_groups.h"

namespace server {

class GroupTally {
 public:
  // `run` is of a pipeline that does not read lines.
  GroupTally(PipelineRun& run, RangeValues& values) : run_(run), values_(values) {}

  // Rows of the stream that run.begin_stream() was told; `rows` rise. `entries`: times, and offsets where bytes are
  // counted. Returns how many rows were kept.
  uint64_t add(const MetadataGroups& groups, const EntrySlice& entries, RowRange rows);
  uint64_t add(const MetadataGroups& groups, const EntrySlice& entries, std::span<const uint32_t> rows);

 private:
  struct Outcome {
    bool is_known = false, is_kept = false;
    LabelResults::Id series = 0;
    double value = 0;               // unwrapped
    uint64_t rows = 0, amount = 0;  // in the bucket under way
  };
  template <class Rows>
  uint64_t add_rows(const MetadataGroups& groups, const EntrySlice& entries, const Rows& rows);
  const Outcome& outcome(const MetadataGroups& groups, uint32_t group);
  uint64_t flush(const MetadataGroups& groups, UnixNanos time);

  PipelineRun& run_;
  RangeValues& values_;
  std::vector<Outcome> outcomes_;  // by group
  std::vector<uint32_t> touched_;  // groups with rows in the bucket under way
};

}  // namespace server
