#include "pipeline/codec/otlp_reader.h"

#include <bit>

#include "pipeline/codec/wire_reader.h"

namespace pipeline {

namespace {

constexpr size_t kTraceIdBytes = 16, kSpanIdBytes = 8;

class OtlpDecoder {
 public:
  explicit OtlpDecoder(OtlpVisitor& visitor) : visitor_(visitor) {}

  Result<void> run(std::string_view request) {
    for (WireReader reader(request, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field != 1) {
        reader.skip(tag);
        continue;
      }
      TRY(read_resource_logs(reader.bytes_of(tag, "ResourceLogs")));
    }
    return verdict();
  }

 private:
  Result<void> verdict() const {
    if (fault_.empty()) return {};
    return fail(Errc::kInvalid, fault_.text);
  }

  // Once over the fields to find the resource, wherever it stands, and once more for the records: a hop per scope.
  Result<void> read_resource_logs(std::string_view bytes) {
    std::string_view resource;
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 1)
        resource = reader.bytes_of(tag, "Resource");
      else
        reader.skip(tag);
    }
    attributes_.clear();
    values_ = 0;
    for (WireReader reader(resource, fault_); fault_.empty() && !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 1)
        attributes_.push_back(read_attribute(reader.bytes_of(tag, "Attributes"), 0));
      else
        reader.skip(tag);
    }
    TRY(verdict());
    TRY(visitor_.on_resource(attributes_));
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 2)
        TRY(read_scope_logs(reader.bytes_of(tag, "ScopeLogs")));
      else
        reader.skip(tag);
    }
    return verdict();
  }

  Result<void> read_scope_logs(std::string_view bytes) {
    OtlpScope scope;
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 1)
        scope = read_scope(reader.bytes_of(tag, "Scope"));
      else
        reader.skip(tag);
    }
    TRY(verdict());
    TRY(visitor_.on_scope(scope));
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field == 2) {
        read_record(reader.bytes_of(tag, "LogRecords"));
        TRY(verdict());
        TRY(visitor_.on_record(record_));
      } else {
        reader.skip(tag);
      }
    }
    return verdict();
  }

  OtlpScope read_scope(std::string_view bytes) {
    OtlpScope scope;
    values_ = 0;
    for (WireReader reader(bytes, fault_); fault_.empty() && !reader.at_end();) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: scope.name = reader.bytes_of(tag, "Name"); break;
        case 2: scope.version = reader.bytes_of(tag, "Version"); break;
        case 3: scope.attributes.push_back(read_attribute(reader.bytes_of(tag, "Attributes"), 0)); break;
        case 4:
          scope.dropped_attributes = static_cast<uint32_t>(reader.varint_of(tag, "DroppedAttributesCount"));
          break;
        default: reader.skip(tag);
      }
    }
    return scope;
  }

  void read_record(std::string_view bytes) {
    std::vector<OtlpValue> attributes = std::move(record_.attributes);
    attributes.clear();
    record_ = {};
    record_.attributes = std::move(attributes);
    values_ = 0;
    for (WireReader reader(bytes, fault_); fault_.empty() && !reader.at_end();) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: record_.time = reader.fixed64_of(tag, "TimeUnixNano"); break;
        case 2: record_.severity = static_cast<int32_t>(reader.varint_of(tag, "SeverityNumber")); break;
        case 3: record_.severity_text = reader.bytes_of(tag, "SeverityText"); break;
        case 5: record_.body = read_value(reader.bytes_of(tag, "Body"), 0); break;
        case 6: record_.attributes.push_back(read_attribute(reader.bytes_of(tag, "Attributes"), 0)); break;
        case 7:
          record_.dropped_attributes = static_cast<uint32_t>(reader.varint_of(tag, "DroppedAttributesCount"));
          break;
        case 8: record_.flags = reader.fixed32_of(tag, "Flags"); break;
        case 9: record_.trace_id = read_id(reader.bytes_of(tag, "TraceId"), kTraceIdBytes, "TraceID"); break;
        case 10: record_.span_id = read_id(reader.bytes_of(tag, "SpanId"), kSpanIdBytes, "SpanID"); break;
        case 11: record_.observed_time = reader.fixed64_of(tag, "ObservedTimeUnixNano"); break;
        case 12: record_.event_name = reader.bytes_of(tag, "EventName"); break;
        default: reader.skip(tag);
      }
    }
  }

  std::string_view read_id(std::string_view bytes, size_t size, std::string_view name) {
    if (bytes.empty() || bytes.size() == size) return bytes;
    set_fault(concat("invalid length for ", name, ": ", bytes.size(), " bytes, not ", size));
    return {};
  }

  OtlpValue read_attribute(std::string_view bytes, int depth) {
    OtlpValue attribute;
    std::string_view name;
    count_value();
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: name = reader.bytes_of(tag, "Key"); break;
        case 2: attribute = read_value(reader.bytes_of(tag, "Value"), depth); break;
        default: reader.skip(tag);
      }
    }
    attribute.name = name;
    return attribute;
  }

  void count_value() {
    if (++values_ > kMaxOtlpValues) set_fault(concat("more than ", kMaxOtlpValues, " values in one place"));
  }
  void set_fault(std::string text) {
    if (fault_.empty()) fault_.text = std::move(text);
  }

  // Of several kinds in one value the last counts, as protobuf says of a oneof.
  OtlpValue read_value(std::string_view bytes, int depth) {
    using Kind = OtlpValue::Kind;
    OtlpValue value;
    if (depth > kMaxOtlpDepth) set_fault(concat("values nested deeper than ", kMaxOtlpDepth));
    if (!fault_.empty()) return value;
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      switch (tag.field) {
        case 1: value = {Kind::kText, reader.bytes_of(tag, "StringValue")}; break;
        case 2: value = {Kind::kBool, {}, reader.varint_of(tag, "BoolValue") != 0}; break;
        case 3: value = {Kind::kInteger, {}, static_cast<int64_t>(reader.varint_of(tag, "IntValue"))}; break;
        case 4: value = {Kind::kNumber, {}, 0, std::bit_cast<double>(reader.fixed64_of(tag, "DoubleValue"))}; break;
        case 5: value = read_children(Kind::kArray, reader.bytes_of(tag, "ArrayValue"), depth + 1); break;
        case 6: value = read_children(Kind::kMap, reader.bytes_of(tag, "KvlistValue"), depth + 1); break;
        case 7: value = {Kind::kBytes, reader.bytes_of(tag, "BytesValue")}; break;
        default: reader.skip(tag);
      }
    }
    return value;
  }

  OtlpValue read_children(OtlpValue::Kind kind, std::string_view bytes, int depth) {
    OtlpValue value{kind};
    for (WireReader reader(bytes, fault_); !reader.at_end();) {
      WireTag tag = reader.tag();
      if (tag.field != 1) {
        reader.skip(tag);
        continue;
      }
      std::string_view child = reader.bytes_of(tag, "Values");
      if (kind == OtlpValue::Kind::kMap)
        value.children.push_back(read_attribute(child, depth));
      else
        count_value(), value.children.push_back(read_value(child, depth));
      if (!fault_.empty()) break;
    }
    return value;
  }

  OtlpVisitor& visitor_;
  WireFault fault_;
  std::vector<OtlpValue> attributes_;  // of the resource
  OtlpRecord record_;
  int values_ = 0;  // of the resource, scope or record being read
};

}  // namespace

Result<void> decode_otlp(std::string_view request, OtlpVisitor& visitor) { return OtlpDecoder(visitor).run(request); }

}  // namespace pipeline
