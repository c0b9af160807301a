// The periods into which a merge cuts its entries. Thread: any, blocks.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "server/compact/merge_input.h"
#include "server/compact/period.h"
#include "server/store/object_reader.h"

namespace server {

// Of the shortest kind of which the inputs touch at most `most`; rising. Some may turn out to be empty.
Result<std::vector<Period>> choose_periods(std::span<const std::shared_ptr<const ObjectReader>> inputs, size_t most,
                                           Damage damage);

}  // namespace server
