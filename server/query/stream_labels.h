// The label sets of the streams that have entries in a time range, from directories and the head alone. Answers are as
// exact as the directory: a stream counts where its first to last entry in an object touches the range.
//
// Thread: a worker of the query pool.
// Errors: kInvalid (a selector does not parse), kCancelled. An object that cannot be opened is a warning.
#pragma once

#include <functional>

#include "server/query/query_engine.h"

namespace server {

// A stream may be visited several times. Those of objects come as they stand in the directory: label sets are made by
// who needs them, for a million of them take a second.
struct StreamVisit {
  std::function<void(const pipeline::LabelSet&)> head;
  std::function<void(const ObjectReader&, const StreamInfo&)> stored;
};

// Returns the warnings.
pipeline::Result<std::vector<std::string>> for_each_stream(const StreamQuery& query, const ReadViewSource& views,
                                                           ReaderCache& readers, QueryTurn& turn,
                                                           const StreamVisit& visit);

}  // namespace server
