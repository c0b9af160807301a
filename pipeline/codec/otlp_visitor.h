// OtlpVisitor: what a decoder of OTLP log exports (protobuf: otlp_reader.h, JSON: otlp_json.h) tells its caller, in the
// words of opentelemetry-proto 1.x: resources hold scopes hold log records. otlp_entries.h makes Loki entries of it.
//
// Views hold until the decoder returns. After a decoder answered an error, what it said before is void: give up the
// whole request.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

// AnyValue, and KeyValue where it has a name.
struct OtlpValue {
  enum class Kind : uint8_t { kEmpty, kText, kBool, kInteger, kNumber, kBytes, kArray, kMap };
  Kind kind = Kind::kEmpty;
  std::string_view text = {};            // kText, kBytes
  int64_t integer = 0;                   // kInteger; kBool: 0 or 1
  double number = 0;                     // kNumber
  std::vector<OtlpValue> children = {};  // kMap; kArray: without names
  std::string_view name = {};
};

struct OtlpScope {
  std::string_view name = {}, version = {};
  std::vector<OtlpValue> attributes = {};
  uint32_t dropped_attributes = 0;
};

struct OtlpRecord {
  uint64_t time = 0, observed_time = 0;  // nanoseconds since 1970; 0: not known
  int32_t severity = 0;
  std::string_view severity_text = {}, event_name = {};
  std::string_view trace_id = {}, span_id = {};  // bytes: 16 and 8, or none
  OtlpValue body = {};
  std::vector<OtlpValue> attributes = {};
  uint32_t dropped_attributes = 0, flags = 0;
};

// How deep values may be nested in one another; deeper is kInvalid.
inline constexpr int kMaxOtlpDepth = 64;
// Values of one resource, scope or record, nested ones too: an empty one takes 2 bytes of a request and 100 of memory.
inline constexpr int kMaxOtlpValues = 1 << 17;

// An error of a visitor ends the decoding and is its answer.
class OtlpVisitor {
 public:
  virtual ~OtlpVisitor() = default;
  virtual Result<void> on_resource(std::span<const OtlpValue> attributes) = 0;
  virtual Result<void> on_scope(const OtlpScope& scope) = 0;  // of the last resource
  virtual Result<void> on_record(const OtlpRecord& record) = 0;
};

}  // namespace pipeline
