// PushVisitor: what a decoder of push requests (protobuf: push_reader.h, JSON: push_json.h) tells its caller.
//
// One virtual call per entry: about 2 ns, next to 50 ns of decoding and copying.
// Views given to it hold until the decoder returns; those of the protobuf decoder look into the request and hold as
// long as that does. After a decoder answered an error, what it said before is void: give up the whole request.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/model/batch.h"

namespace pipeline {

class PushVisitor {
 public:
  virtual ~PushVisitor() = default;
  // A stream begins; its entries follow. `labels`: the text as sent (protobuf) or rendered (JSON), not yet checked.
  // `entries`: how many on_entry() calls follow (JSON: at most; some may be left out. OTLP: 0, or 1 for at least one).
  virtual void on_stream(std::string_view labels, size_t entries) = 0;
  // `time`: as sent; a time outside int64 nanoseconds is the nearest one inside. `line`: any bytes (JSON: UTF-8).
  // `metadata`: in the order sent; the span itself holds during the call only.
  virtual void on_entry(UnixNanos time, std::string_view line, std::span<const Metadata> metadata) = 0;
};

}  // namespace pipeline
