// A JSON value as the extracted value that Alloy makes of it: numbers are doubles, arrays and objects compact JSON
// text. Thread: any.
#pragma once

#include "pipeline/model/batch.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/template_value.h"

namespace pipeline {

// `value` is of a checked document, whose text must live as long as the batch.
FieldValue json_field(const JsonValue& value, Arena& arena);
// The same for what JmesPath::run() gives; texts are copied.
FieldValue json_field(const TemplateValue& value, Arena& arena);

}  // namespace pipeline
