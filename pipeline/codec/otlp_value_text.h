// The text of an OTLP value, as the collector's pdata (and so Loki) writes it: a text as it is, true, 42, 1.5, bytes as
// base64; maps and arrays as JSON in the form of Go's encoding/json: keys sorted, of equal keys the last, `<`, `>` and
// `&` as \u003c and so on, bytes as base64. Nothing for an empty value, and for a map or array with a NaN inside.
#pragma once

#include <string>

#include "pipeline/codec/otlp_visitor.h"

namespace pipeline {

void append_otlp_text(std::string& out, const OtlpValue& value);

}  // namespace pipeline
