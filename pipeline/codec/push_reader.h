// Push request, read: decode_push() walks the protobuf wire format of Loki's push API (schema in push_writer.h) without
// copying a byte: labels, lines and structured metadata are views into `request`.
//
//   class Sorter final : public PushVisitor { ... };
//   Sorter sorter;
//   TRY(decode_push(request, sorter));
//
// Tolerant of unknown fields (groups too), of fields in any order and of texts that are not UTF-8; of several `labels`
// in a stream or texts in an entry the last one counts. An absent time is 0. Errors:  kInvalid: bytes that end early,
// overlong varints, illegal tags, a known field with another wire type, a time
//          outside the years 1 to 9999 or with nanoseconds outside [0, 1e9).
// Thread:  any. Never reads outside `request`; recursion is bounded.
#pragma once

#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/codec/push_visitor.h"

namespace pipeline {

Result<void> decode_push(std::string_view request, PushVisitor& visitor);

}  // namespace pipeline
