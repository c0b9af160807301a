// The names of all extracted values of an entry, as stages see them: those that stages have extracted, and the labels
// at the start. For stages that look at whatever there is. Thread: the one that owns the batch.
#pragma once

#include <string>
#include <vector>

#include "pipeline/model/batch.h"

namespace pipeline {

// Sorted; each name once; in place of what `names` had.
void extracted_names(const Batch& batch, size_t row, std::vector<std::string>& names);

}  // namespace pipeline
