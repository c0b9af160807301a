// OTLP log export, read: decode_otlp() walks the protobuf form of ExportLogsServiceRequest (and LogsData, which has the
// same bytes). Texts are views into `request`.
//
//   ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1 }
//   ResourceLogs { Resource resource = 1 { repeated KeyValue attributes = 1 }; repeated ScopeLogs scope_logs = 2 }
//   ScopeLogs    { Scope scope = 1 { name = 1, version = 2, attributes = 3, dropped = 4 }; repeated LogRecord = 2 }
//   LogRecord    { fixed64 time = 1; severity_number = 2; severity_text = 3; AnyValue body = 5; attributes = 6;
//                  dropped = 7; fixed32 flags = 8; trace_id = 9; span_id = 10; fixed64 observed = 11; event_name = 12 }
//   AnyValue     { string = 1 | bool = 2 | int64 = 3 | double = 4 | ArrayValue = 5 | KeyValueList = 6 | bytes = 7 }
//
// Tolerant as decode_push(): fields in any order, unknown fields, texts that are not UTF-8. Errors:  kInvalid: bytes
// that end early, overlong varints, illegal tags, a known field with another wire type, ids
//          that are not of 16 (trace) or 8 (span) bytes, values nested deeper than kMaxOtlpDepth; and the visitor's.
// Thread:  any. Never reads outside `request`.
#pragma once

#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/codec/otlp_visitor.h"

namespace pipeline {

Result<void> decode_otlp(std::string_view request, OtlpVisitor& visitor);

}  // namespace pipeline
