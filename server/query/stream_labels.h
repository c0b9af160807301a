// The label sets of the streams that have entries in a time range, from directories and the head alone. Answers are as
// exact as the directory: a stream counts where its first to last entry in an object touches the range.
//
// Thread: a worker of the query pool.
// Errors: kInvalid (a selector does not parse), kCancelled. An object that cannot be opened is a warning.
#pragma once

#include <functional>

#include "server/query/query_engine.h"

namespace server {

// A stream may be visited several times. Returns the warnings.
pipeline::Result<std::vector<std::string>> for_each_stream(const StreamQuery& query, const ReadViewSource& views,
                                                           ReaderCache& readers, QueryTurn& turn,
                                                           const std::function<void(const pipeline::LabelSet&)>& visit);

}  // namespace server
