// Push request in JSON (Loki's v1 form), decoded into the same calls as the protobuf form.
//
//   {"streams":[{"stream":{"app":"api"},"values":[["<decimal ns>","line",{"name":"value"}], ...]}, ...]}
//
// Rules: the time is a string of decimal nanoseconds, the line a string, the third element (if any) an object whose
// values are strings; elements beyond the third, unknown keys, and anything after the first document are ignored. Label
// values that are not strings are taken as their text (5, null, true, {}). The document,
// `streams`, `values` and entries may be null, `stream` may be absent. `streams` may be written in any case. An entry
// without a line, ["<ns>"], has an empty one; an entry [] is kInvalid. A structured metadata value "" is left out.
// Labels are given as {k="v",...}, names sorted and unquoted, so that a bad name fails in the label parser as it
// should. A byte that is no UTF-8 is read as U+FFFD, as a query would show it.
//
// Errors:  kInvalid: not JSON, a lone surrogate, a wrong kind; the message says which and, for entries, where.
// Limits:  bodies below 4 GiB.
#pragma once

#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/codec/push_visitor.h"

namespace pipeline {

Result<void> decode_push_json(std::string_view body, PushVisitor& visitor);

// The older form, of /api/prom/push:
//   {"streams":[{"labels":"{app=\"api\"}","entries":[{"ts":"<RFC 3339>","line":"line","structuredMetadata":{...}}]}]}
Result<void> decode_legacy_push_json(std::string_view body, PushVisitor& visitor);

}  // namespace pipeline
