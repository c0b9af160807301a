// StageReference: what stages there are and which arguments they take, written from the table that builds them
// (stage_table.h): `skidway-agent stages`, and REFERENCE.md, which a test compares with it. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

std::string stage_reference_markdown();
std::string stage_list_text();                               // one stage a line
Result<std::string> stage_help_text(std::string_view name);  // kInvalid: there is no such stage
Result<std::string> stage_help_markdown(std::string_view name);

}  // namespace pipeline
