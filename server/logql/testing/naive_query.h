// A slow and obvious interpreter of LogQL for tests: every stage in the order in which it was written, every entry on
// its own, every window counted anew. It shares the tree and the conversions of single values with the real thing, and
// nothing of how stages, labels, windows and groups are executed. All labels are extracted, so metric queries fail for
// errors that the real thing may never see (logql.md 6.9).
//
// Thread: any. Errors: kInvalid, as the real thing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

struct NaiveEntry {
  pipeline::LabelSet stream;
  UnixNanos time = 0;
  std::string line;
  std::vector<pipeline::Label> metadata;
};

using NaiveLabels = std::map<std::string, std::string>;

// What is left of an entry behind the stages.
struct NaiveResult {
  UnixNanos time = 0;
  std::string line;
  NaiveLabels stream, metadata, parsed;  // parsed: also the error labels
  pipeline::LabelSet all() const;
};

std::optional<NaiveResult> naive_stages(const std::vector<Stage>& stages, const NaiveEntry& entry);

// Entries with times in [begin, end) that a log query keeps, in the order of `entries`.
std::vector<NaiveResult> naive_log(const LogExpr& log, const std::vector<NaiveEntry>& entries, UnixNanos begin,
                                   UnixNanos end);

// The same with what is unwrapped; entries that have nothing to unwrap are left out.
struct NaiveSample {
  NaiveResult entry;
  double value = 0;
};
std::vector<NaiveSample> naive_samples(const LogRange& range, const std::vector<NaiveEntry>& entries, UnixNanos begin,
                                       UnixNanos end);

pipeline::Result<Matrix> naive_metric(const Expr& expr, const std::vector<NaiveEntry>& entries, const StepGrid& grid);

}  // namespace server
