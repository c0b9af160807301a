// What the stages of a query say about pages: conditions for ObjectReader::pages_with().
//
//   |= |~ |>               their texts, or the literals that every match contains; of an `or` chain one of them
//   | name="value"         the metadata of the entry; behind a parser, the line or the metadata
//   | name=~"a.*"          behind a parser, its literals in the line, or metadata of that name
//   and, or                both, either
//
// Negations, numbers, sizes and everything behind a stage that changes lines or labels say nothing.
// Thread: any.
#pragma once

#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/store/page_condition.h"

namespace server {

// An entry that passes the pipeline of `stages` lies on a page for which all of these hold.
std::vector<PageCondition> page_conditions(const std::vector<Stage>& stages, const LogPipeline& pipeline);

}  // namespace server
