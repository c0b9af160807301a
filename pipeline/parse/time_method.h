// The methods of Go's time.Time and time.Duration that templates can call: {{ now.Year }}, {{ now.Format "15:04" }}.
#pragma once

#include <span>
#include <string_view>

#include "pipeline/parse/go_template.h"

namespace pipeline {

// kNotFound: the value has no method of that name.
Result<TemplateValue> call_time_method(const TemplateValue& value, std::string_view name,
                                       std::span<const TemplateValue> arguments, TemplateRun& run);

}  // namespace pipeline
