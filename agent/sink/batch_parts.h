// What is in a closed batch, seen from its body: for a server that finds it too large, or refuses some of its entries.
// Thread: any. Errors: kInvalid, kCorrupt: the body is none of ours.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/sink/closed_batch.h"
#include "agent/sink/push_answer.h"
#include "pipeline/base/result.h"

namespace agent {

// The first half of the entries, as they stand in the body, and the rest. The same batch always gives the same halves.
// They have no record and no files of their own: what is known of the whole stays with it. kOverLimit: one entry is not
// split.
pipeline::Result<std::pair<ClosedBatch, ClosedBatch>> split_batch(const ClosedBatch& batch, BatchNumber first,
                                                                  BatchNumber second);

// How many entries were refused, by reason, when a server says so: at most as many as the batch has. A refused stream
// counts with all of its entries in the batch.
std::map<std::string, uint64_t> count_refused(const ClosedBatch& batch, const std::vector<Refusal>& refusals);

// Entries as JSON lines, each with the members of `more` (",\"reason\":\"...\"", JSON text) at its end. Only those of
// the streams that refusals name, if all of them name one that is there.
pipeline::Result<std::string> batch_as_json(const ClosedBatch& batch, const std::vector<Refusal>& refusals,
                                            const std::string& more);

}  // namespace agent
