// The label sets of the streams that have entries in a time range, from directories and the head alone. Answers are as
// exact as the directory: a stream counts where its first to last entry in an object touches the range.
//
// Thread: a worker of the query pool. Errors: kInvalid (a selector does not parse), kIo and the like (an object cannot
// be opened: here there is no partial answer).
#pragma once

#include <functional>

#include "server/query/query_engine.h"

namespace server {

// A stream may be visited several times.
pipeline::Result<void> for_each_stream(const StreamQuery& query, const ReadViewSource& views, ReaderCache& readers,
                                       const std::function<void(const pipeline::LabelSet&)>& visit);

}  // namespace server
