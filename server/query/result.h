// QueryResult: what a LogQL query answers, before it is written as JSON. Values only; built by the engine, read by
// api/.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/label_set.h"
#include "server/logql/matrix.h"
#include "server/query/query_plan.h"
#include "server/query/query_stats.h"

namespace server {

struct ResultEntry {
  pipeline::UnixNanos time = 0;
  std::string line;
  // Only where the request asked for categorised labels; otherwise they are merged into the stream's labels.
  std::vector<pipeline::Label> structured_metadata, parsed;
};

// Entries with one final label set, in the direction of the query.
struct ResultStream {
  pipeline::LabelSet labels;
  std::vector<ResultEntry> entries;
};
using ResultStreams = std::vector<ResultStream>;  // sorted by labels

// In Loki's order: by the text of their labels, where a longer set may come before one that it begins with.
inline std::vector<const ResultStream*> in_text_order(const ResultStreams& streams) {
  std::vector<std::pair<std::string, const ResultStream*>> order;
  for (const ResultStream& stream : streams) order.emplace_back(stream.labels.text(), &stream);
  std::sort(order.begin(), order.end());
  std::vector<const ResultStream*> out;
  for (const auto& [text, stream] : order) out.push_back(stream);
  return out;
}

struct Sample {
  pipeline::LabelSet labels;
  pipeline::UnixNanos time = 0;
  double value = 0;
};
using ResultVector = std::vector<Sample>;  // sorted by labels, or by value where the query sorts

// Series with points at rising times, sorted by labels.
struct ResultMatrix {
  StepGrid grid;
  Matrix matrix;
};

struct ResultScalar {
  pipeline::UnixNanos time = 0;
  double value = 0;
};

// What was found in all that could be read; the warnings say what could not. Any warning: the answer is partial.
template <class T>
struct Readable {
  T found;
  std::vector<std::string> warnings;
};

struct QueryResult {
  std::variant<ResultStreams, ResultVector, ResultMatrix, ResultScalar> data;
  std::vector<std::string> warnings;
  bool partial = false;  // a page or an object could not be read; the warnings say which
  QueryStats stats;
  uint64_t last_frame = 0;        // ReadView::last_frame() of the view that was read
  std::optional<QueryPlan> plan;  // where the query asks for it
};

}  // namespace server
