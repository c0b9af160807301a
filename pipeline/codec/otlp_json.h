// OTLP log export in JSON (OTLP/HTTP's JSON Protobuf encoding), decoded into the same calls as the protobuf form.
//
//   {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},
//     "scopeLogs":[{"scope":{"name":"..."},"logRecords":[{"timeUnixNano":"1544712660300000000",
//     "severityNumber":9,"body":{"stringValue":"text"},"attributes":[...],"traceId":"5b8e...","spanId":"..."}]}]}]}
//
// Rules: keys in lowerCamelCase (or as in the protobuf schema); 64-bit numbers as strings or numbers; severityNumber as
// a number or a name; traceId, spanId hexadecimal; bytesValue base64; doubleValue a number or a text ("NaN"). null is
// absent (as a record: one without fields), unknown keys and what stands behind the document are ignored. A byte that
// is no UTF-8 is read as U+FFFD.
//
// Errors:  kInvalid: not JSON, a lone surrogate, a wrong kind, bad hex or base64, and as otlp_reader.h; the visitor's.
// Limits:  bodies below 4 GiB. Thread:  any.
#pragma once

#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/codec/otlp_visitor.h"

namespace pipeline {

Result<void> decode_otlp_json(std::string_view body, OtlpVisitor& visitor);

}  // namespace pipeline
