// StreamShares: a [[source]] that is no file as its readers have it.
//
// Where it can be read again (a journal, a daemon, an API) each sink has a share: a reader, cursors and stages of its
// own. So one that is away, its spool off or full, waits alone. Otherwise all sinks are in one share.
// What the first share of a source counts has the label source="NAME", that of others source="NAME (SINK)".
// Thread: any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/source/source_options.h"

namespace agent {

using Share = std::shared_ptr<const SourceOptions>;

// Of the same source, and for the same sink where each has its own.
bool is_same_share(const SourceOptions& a, const SourceOptions& b);

// `sink_names`: by slot. `running`: the shares there are. One that goes on with the same stages keeps the object, with
// what it has counted; no two have one object.
std::vector<Share> shares_of(const Share& source, const std::vector<std::string>& sink_names,
                             const std::vector<Share>& running = {});

}  // namespace agent
