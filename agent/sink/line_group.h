// Entries made of one line (split_json) stand together in a batch: a group.
#pragma once

#include "pipeline/model/batch.h"

namespace agent {

// Behind the last row that is made of a line which the row before it is made of too.
inline size_t group_end(const pipeline::Batch& batch, size_t row) {
  for (;; row++) {
    if (row + 1 == batch.size()) return row + 1;
    const pipeline::ByteRange* own = &batch.origins[batch.origin_begin[row]];
    uint64_t next = batch.origins[batch.origin_begin[row + 1]].begin;
    if (next != own->begin && next != own[batch.origin_count[row] - 1].begin) return row + 1;
  }
}

}  // namespace agent
