// The JSON of explain=true, the member `explain` of an answer beside `data`; README.md describes it. Thread: any.
#pragma once

#include <string>

#include "server/query/query_plan.h"

namespace server {

std::string plan_json(const QueryPlan& plan);

}  // namespace server
