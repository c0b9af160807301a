// How much the streams of a selector hold, from directories and the head alone: no page is read. Whole streams are
// counted exactly; where a boundary cuts the entries that a stream has on one page, its part is proportional to the
// time. Equal entries that lie in several places are counted as often.
//
// Thread: a worker of the query pool.
// Errors: kOverLimit, kCancelled. An object that cannot be opened is a warning.
#pragma once

#include <string>
#include <vector>

#include "server/ingest/read_view.h"
#include "server/logql/syntax.h"
#include "server/query/query_turn.h"
#include "server/query/reader_cache.h"
#include "server/query/result.h"

namespace server {

// What to add up. Matchers are all to be met; none: all streams.
struct VolumeSelection {
  std::string tenant;
  std::vector<LabelMatcher> matchers;
  // Rising; bucket i holds entries with edges[i] <= time < edges[i + 1]. At least two.
  std::vector<pipeline::UnixNanos> edges;
};

struct VolumeTotals {
  uint64_t streams = 0;
  uint64_t pieces = 0;  // streams of objects and runs of the head: Loki's chunks
  uint64_t bytes = 0;   // as Loki counts them (store/volume_counter.h)
  uint64_t entries = 0;
};

struct VolumeGrouping {
  enum class By { kSeries, kLabel };
  By by = By::kSeries;
  bool all_labels = false;          // else `labels`
  std::vector<std::string> labels;  // kSeries: what is left of a stream's labels; kLabel: which are listed
};

// One series, or with kLabel one label name with an empty value.
struct VolumeSeries {
  std::vector<pipeline::Label> labels;
  std::vector<uint64_t> bytes;  // by bucket
};

// An estimate, by the same rules as Loki's: pieces that the edges cut count by their share of time.
pipeline::Result<Readable<VolumeTotals>> volume_totals(const VolumeSelection& selection, const ReadViewSource& views,
                                                       ReaderCache& readers, QueryTurn& turn);
// In no particular order; series without any bytes are left out. kOverLimit: more than `max_series` of them.
pipeline::Result<Readable<std::vector<VolumeSeries>>> volumes(const VolumeSelection& selection,
                                                              const VolumeGrouping& grouping, uint32_t max_series,
                                                              const ReadViewSource& views, ReaderCache& readers,
                                                              QueryTurn& turn);

}  // namespace server
