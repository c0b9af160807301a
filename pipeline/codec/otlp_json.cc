#include "pipeline/codec/otlp_json.h"

#include <charconv>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>

#include "pipeline/base/text_encoding.h"
#include "pipeline/codec/json_document.h"
#include "pipeline/model/batch.h"

namespace pipeline {

namespace {

namespace json = json_body::json;
using json_body::invalid;
using json_body::string_of;
using json_body::trim_end;

constexpr std::string_view kSeverities[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
constexpr std::string_view kSeverityPrefix = "SEVERITY_NUMBER_";

template <class Number>
Result<Number> parse_number(std::string_view text, std::string_view where) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return fail(invalid(where, concat("a number expected, got ", text.substr(0, 40))));
  return number;
}

// "SEVERITY_NUMBER_WARN2" -> 14.
std::optional<int32_t> severity_called(std::string_view name) {
  if (!name.starts_with(kSeverityPrefix)) return std::nullopt;
  name.remove_prefix(kSeverityPrefix.size());
  if (name == "UNSPECIFIED") return 0;
  for (size_t i = 0; i < std::size(kSeverities); ++i) {
    if (!name.starts_with(kSeverities[i])) continue;
    std::string_view step = name.substr(kSeverities[i].size());
    auto first = static_cast<int32_t>(4 * i + 1);
    if (step.empty()) return first;
    if (step.size() == 1 && step[0] >= '2' && step[0] <= '4') return first + (step[0] - '1');
  }
  return std::nullopt;
}

class OtlpJsonDecoder {
 public:
  explicit OtlpJsonDecoder(OtlpVisitor& visitor) : visitor_(visitor) {}

  Result<void> run(std::string_view body) {
    TRY_LET(std::optional<json::object> root, document_.open(body));
    if (!root) return {};
    return each_field(*root, [this](std::string_view key, json::value value) -> Result<void> {
      if (key != "resourceLogs" && key != "resource_logs") return {};
      return each_element(value, "resourceLogs", [this](json::value v) { return read_resource_logs(v); });
    });
  }

 private:
  // Our keys are plain letters. One with an escape in it comes out cut, so it is as unknown as it should be, and no
  // key is ever decoded: simdjson's buffer has room for every string once, and some objects are read twice.
  static std::string_view known_key(const char* raw) {
    return {raw, static_cast<size_t>(static_cast<const char*>(std::strchr(raw, '"')) - raw)};
  }

  template <class Take>
  static Result<void> each_field(json::object& object, Take take) {
    for (auto field : object) {
      JSON_LET(json::raw_json_string key, field.key(), "json");
      std::string_view name = known_key(key.raw());
      JSON_LET(json::value value, field.value(), name);
      JSON_LET(bool absent, value.is_null(), name);
      if (!absent) TRY(take(name, value));
    }
    return {};
  }
  template <class Take>
  static Result<void> each_element(json::value& value, std::string_view where, Take take) {
    JSON_LET(json::array array, value.get_array(), where);
    for (auto element : array) {
      JSON_LET(json::value item, element, where);
      TRY(take(item));
    }
    return {};
  }

  // The resource is wanted before its records, whichever comes first in the text: so it is looked up first.
  Result<void> read_resource_logs(json::value value) {
    JSON_LET(bool absent, value.is_null(), "resourceLogs");
    if (absent) return {};
    JSON_LET(json::object object, value.get_object(), "resourceLogs");
    attributes_.clear();
    start_place();
    TRY(each_field(object, [this](std::string_view key, json::value field) -> Result<void> {
      if (key != "resource") return {};
      JSON_LET(json::object resource, field.get_object(), "resource");
      return each_field(resource, [this](std::string_view name, json::value part) -> Result<void> {
        if (name == "attributes") return read_attributes(part, attributes_, 0);
        return {};
      });
    }));
    TRY(visitor_.on_resource(attributes_));
    JSON_LET([[maybe_unused]] bool has_fields, object.reset(), "resourceLogs");
    return each_field(object, [this](std::string_view key, json::value field) -> Result<void> {
      if (key != "scopeLogs" && key != "scope_logs") return {};
      return each_element(field, "scopeLogs", [this](json::value v) { return read_scope_logs(v); });
    });
  }

  Result<void> read_scope_logs(json::value value) {
    JSON_LET(bool absent, value.is_null(), "scopeLogs");
    if (absent) return {};
    JSON_LET(json::object object, value.get_object(), "scopeLogs");
    OtlpScope scope;
    start_place();
    TRY(each_field(object, [&](std::string_view key, json::value field) -> Result<void> {
      if (key != "scope") return {};
      JSON_LET(json::object part, field.get_object(), "scope");
      return each_field(part, [&](std::string_view name, json::value v) { return read_scope_field(name, v, scope); });
    }));
    TRY(visitor_.on_scope(scope));
    JSON_LET([[maybe_unused]] bool has_fields, object.reset(), "scopeLogs");
    return each_field(object, [this](std::string_view key, json::value field) -> Result<void> {
      if (key != "logRecords" && key != "log_records") return {};
      return each_element(field, "logRecords", [this](json::value v) { return read_record(v); });
    });
  }

  Result<void> read_scope_field(std::string_view key, json::value value, OtlpScope& scope) {
    if (key == "name") return set(scope.name, string_of(value, key));
    if (key == "version") return set(scope.version, string_of(value, key));
    if (key == "attributes") return read_attributes(value, scope.attributes, 0);
    if (key == "droppedAttributesCount" || key == "dropped_attributes_count")
      return set(scope.dropped_attributes, number_of<uint32_t>(value, key));
    return {};
  }

  Result<void> read_record(json::value value) {
    std::vector<OtlpValue> attributes = std::move(record_.attributes);
    attributes.clear();
    record_ = {};
    record_.attributes = std::move(attributes);
    start_place();
    JSON_LET(bool empty, value.is_null(), "logRecords");
    if (empty) return visitor_.on_record(record_);
    JSON_LET(json::object object, value.get_object(), "logRecords");
    TRY(each_field(object, [this](std::string_view key, json::value v) { return read_record_field(key, v); }));
    return visitor_.on_record(record_);
  }

  Result<void> read_record_field(std::string_view key, json::value value) {
    OtlpRecord& r = record_;
    if (key == "timeUnixNano" || key == "time_unix_nano") return set(r.time, number_of<uint64_t>(value, key));
    if (key == "observedTimeUnixNano" || key == "observed_time_unix_nano")
      return set(r.observed_time, number_of<uint64_t>(value, key));
    if (key == "severityNumber" || key == "severity_number") return set(r.severity, severity_of(value, key));
    if (key == "severityText" || key == "severity_text") return set(r.severity_text, string_of(value, key));
    if (key == "body") return read_value(value, r.body, 0);
    if (key == "attributes") return read_attributes(value, r.attributes, 0);
    if (key == "droppedAttributesCount" || key == "dropped_attributes_count")
      return set(r.dropped_attributes, number_of<uint32_t>(value, key));
    if (key == "flags") return set(r.flags, number_of<uint32_t>(value, key));
    if (key == "traceId" || key == "trace_id") return set(r.trace_id, id_of(value, key, 16));
    if (key == "spanId" || key == "span_id") return set(r.span_id, id_of(value, key, 8));
    if (key == "eventName" || key == "event_name") return set(r.event_name, string_of(value, key));
    return {};
  }

  Result<void> read_attributes(json::value& value, std::vector<OtlpValue>& out, int depth) {
    return each_element(value, "attributes", [&](json::value element) -> Result<void> {
      JSON_LET(json::object object, element.get_object(), "attributes");
      TRY(count_value());
      OtlpValue attribute;
      std::string_view name;
      TRY(each_field(object, [&](std::string_view key, json::value field) -> Result<void> {
        if (key == "key") return set(name, string_of(field, key));
        if (key == "value") return read_value(field, attribute, depth);
        return {};
      }));
      attribute.name = name;
      out.push_back(std::move(attribute));
      return {};
    });
  }

  Result<void> read_value(json::value& value, OtlpValue& out, int depth) {
    if (depth > kMaxOtlpDepth) return fail(Errc::kInvalid, concat("values nested deeper than ", kMaxOtlpDepth));
    JSON_LET(json::object object, value.get_object(), "value");
    return each_field(object, [&](std::string_view key, json::value v) { return read_kind(key, v, out, depth); });
  }

  Result<void> read_kind(std::string_view key, json::value value, OtlpValue& out, int depth) {
    using Kind = OtlpValue::Kind;
    if (key == "stringValue" || key == "string_value") return set((out = {Kind::kText}).text, string_of(value, key));
    if (key == "intValue" || key == "int_value")
      return set((out = {Kind::kInteger}).integer, number_of<int64_t>(value, key));
    if (key == "doubleValue" || key == "double_value")
      return set((out = {Kind::kNumber}).number, number_of<double>(value, key));
    if (key == "boolValue" || key == "bool_value") {
      JSON_LET(bool flag, value.get_bool(), key);
      out = {Kind::kBool, {}, flag};
      return {};
    }
    if (key == "bytesValue" || key == "bytes_value") {
      TRY_LET(std::string_view text, string_of(value, key));
      auto bytes = decode_base64(text);
      if (!bytes) return fail(bytes.error().within(key));
      out = {Kind::kBytes, arena_.copy(*bytes)};
      return {};
    }
    if (key == "arrayValue" || key == "array_value") return read_children(value, out = {Kind::kArray}, depth + 1);
    if (key == "kvlistValue" || key == "kvlist_value") return read_children(value, out = {Kind::kMap}, depth + 1);
    return {};
  }

  Result<void> read_children(json::value& value, OtlpValue& out, int depth) {
    JSON_LET(json::object object, value.get_object(), "values");
    return each_field(object, [&](std::string_view key, json::value values) -> Result<void> {
      if (key != "values") return {};
      if (out.kind == OtlpValue::Kind::kMap) return read_attributes(values, out.children, depth);
      return each_element(values, key, [&](json::value element) -> Result<void> {
        TRY(count_value());
        OtlpValue child;
        JSON_LET(bool absent, element.is_null(), "values");
        if (!absent) TRY(read_value(element, child, depth));
        out.children.push_back(std::move(child));
        return {};
      });
    });
  }

  template <class Field, class Value>
  static Result<void> set(Field& field, Result<Value> value) {
    TRY_LET(field, std::move(value));
    return {};
  }

  // A number, or the text of one.
  template <class Number>
  static Result<Number> number_of(json::value& value, std::string_view where) {
    std::string_view raw = trim_end(value.raw_json_token());
    if (raw.starts_with('"')) { TRY_LET(raw, string_of(value, where)); }
    if constexpr (std::is_same_v<Number, double>) {
      if (raw == "NaN") return std::numeric_limits<double>::quiet_NaN();
      if (raw == "Infinity" || raw == "-Infinity")
        return raw[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    }
    return parse_number<Number>(raw, where);
  }

  static Result<int32_t> severity_of(json::value& value, std::string_view where) {
    std::string_view raw = trim_end(value.raw_json_token());
    if (!raw.starts_with('"')) return parse_number<int32_t>(raw, where);
    TRY_LET(std::string_view name, string_of(value, where));
    if (auto severity = severity_called(name)) return *severity;
    return fail(invalid(where, concat("unknown severity \"", name.substr(0, 40), "\"")));
  }

  Result<std::string_view> id_of(json::value& value, std::string_view where, size_t size) {
    TRY_LET(std::string_view text, string_of(value, where));
    if (text.empty()) return text;
    if (text.size() != 2 * size)
      return fail(invalid(where, concat(2 * size, " hexadecimal digits expected, got ", text.size())));
    char* bytes = arena_.allocate(size);
    for (size_t i = 0; i < size; ++i) {
      uint8_t byte = 0;
      auto [end, error] = std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, byte, 16);
      if (error != std::errc() || end != text.data() + 2 * i + 2)
        return fail(invalid(where, concat("not hexadecimal: ", text)));
      bytes[i] = static_cast<char>(byte);
    }
    return std::string_view(bytes, size);
  }

  void start_place() { values_ = 0; }
  Result<void> count_value() {
    if (++values_ <= kMaxOtlpValues) return {};
    return fail(Errc::kInvalid, concat("more than ", kMaxOtlpValues, " values in one place"));
  }

  OtlpVisitor& visitor_;
  json_body::JsonDocument document_;
  Arena arena_;
  std::vector<OtlpValue> attributes_;  // of the resource
  OtlpRecord record_;
  int values_ = 0;  // of the resource, scope or record being read
};

}  // namespace

Result<void> decode_otlp_json(std::string_view body, OtlpVisitor& visitor) {
  return OtlpJsonDecoder(visitor).run(body);
}

}  // namespace pipeline
