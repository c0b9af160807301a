#include "pipeline/codec/otlp_reader.h"

#include <doctest/doctest.h>
#include <limits>

#include "pipeline/base/varint.h"
#include "pipeline/codec/otlp.pb.h"
#include "pipeline/codec/otlp_entries.h"
#include "pipeline/codec/otlp_json.h"
#include "pipeline/codec/otlp_value_text.h"
#include "pipeline/codec/push_collector.h"

using namespace pipeline;
using namespace std::string_literals;
using Pairs = std::vector<std::pair<std::string, std::string>>;

namespace {

otlp_schema::KeyValue* text_attribute(otlp_schema::KeyValue* pair, std::string_view name, std::string_view value) {
  pair->set_key(std::string(name));
  pair->mutable_value()->set_string_value(std::string(value));
  return pair;
}

// One resource, scope and record with every field set.
otlp_schema::ExportLogsServiceRequest full_request() {
  otlp_schema::ExportLogsServiceRequest request;
  auto* logs = request.add_resource_logs();
  text_attribute(logs->mutable_resource()->add_attributes(), "service.name", "shop");
  text_attribute(logs->mutable_resource()->add_attributes(), "host.name", "n1");
  auto* scope_logs = logs->add_scope_logs();
  scope_logs->mutable_scope()->set_name("lib");
  scope_logs->mutable_scope()->set_version("1.2");
  scope_logs->mutable_scope()->set_dropped_attributes_count(3);
  text_attribute(scope_logs->mutable_scope()->add_attributes(), "scope.kind", "k");
  auto* record = scope_logs->add_log_records();
  record->set_time_unix_nano(1'700'000'000'000'000'001);
  record->set_observed_time_unix_nano(1'700'000'000'000'000'009);
  record->set_severity_number(9);
  record->set_severity_text("INFO");
  record->mutable_body()->set_string_value("a line");
  record->set_dropped_attributes_count(2);
  record->set_flags(1);
  record->set_trace_id("0123456789abcdef");
  record->set_span_id("\x01\x02\x03\x04\x05\x06\x07\xff");
  record->set_event_name("login");
  text_attribute(record->add_attributes(), "user.id", "42");
  auto* http = record->add_attributes();
  http->set_key("http");
  text_attribute(http->mutable_value()->mutable_kvlist_value()->add_values(), "method", "GET");
  http->mutable_value()->mutable_kvlist_value()->add_values()->set_key("status");
  http->mutable_value()->mutable_kvlist_value()->mutable_values(1)->mutable_value()->set_int_value(-5);
  return request;
}

const Pairs kFullMetadata = {{"user_id", "42"},
                             {"http_method", "GET"},
                             {"http_status", "-5"},
                             {"observed_timestamp", "1700000000000000009"},
                             {"severity_number", "9"},
                             {"severity_text", "INFO"},
                             {"dropped_attributes_count", "2"},
                             {"flags", "1"},
                             {"trace_id", "30313233343536373839616263646566"},
                             {"span_id", "01020304050607ff"},
                             {"event_name", "login"},
                             {"host_name", "n1"},
                             {"scope_kind", "k"},
                             {"scope_name", "lib"},
                             {"scope_version", "1.2"},
                             {"scope_dropped_attributes_count", "3"}};

OtlpMapping loki_mapping() {
  OtlpMapping mapping;
  mapping.discover_service_name = default_service_name_labels();
  return mapping;
}

enum class Form { kProtobuf, kJson };

Result<std::vector<CollectedStream>> try_read(std::string_view body, Form form,
                                              const OtlpMapping& mapping = loki_mapping()) {
  PushCollector collector;
  OtlpEntries entries(mapping, 77, collector);
  TRY(form == Form::kJson ? decode_otlp_json(body, entries) : decode_otlp(body, entries));
  entries.finish();
  return std::move(collector.streams);
}
std::vector<CollectedStream> read(std::string_view body, Form form = Form::kProtobuf,
                                  const OtlpMapping& mapping = loki_mapping()) {
  auto streams = try_read(body, form, mapping);
  REQUIRE_MESSAGE(streams.has_value(), (streams ? "" : streams.error().message));
  return *std::move(streams);
}
std::string fault(std::string_view body, Form form) {
  auto streams = try_read(body, form);
  if (streams) return "";
  CHECK(streams.error().code == Errc::kInvalid);
  return streams.error().message;
}

std::string field(int number, std::string_view bytes) {
  std::string out;
  append_varint(out, static_cast<uint64_t>(number) << 3 | 2);
  append_varint(out, bytes.size());
  return out.append(bytes);
}
std::string json_record(std::string_view fields) {
  return concat(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{)", fields, "}]}]}]}");
}
std::string json_body(std::string_view value) {
  auto streams = read(json_record(concat(R"("body":)", value)), Form::kJson);
  REQUIRE(streams.size() == 1);
  REQUIRE(streams[0].entries.size() == 1);
  return streams[0].entries[0].line;
}

}  // namespace

TEST_SUITE("codec") {
  TEST_CASE("otlp: every field of a record arrives where Loki puts it") {
    auto streams = read(full_request().SerializeAsString());
    REQUIRE(streams.size() == 1);
    CHECK(streams[0].labels == R"({service_name="shop"})");
    REQUIRE(streams[0].entries.size() == 1);
    CHECK(streams[0].entries[0].time == 1'700'000'000'000'000'001);
    CHECK(streams[0].entries[0].line == "a line");
    CHECK(streams[0].entries[0].metadata == kFullMetadata);
  }

  TEST_CASE("otlp: the JSON form gives the same entries, its keys in any order") {
    std::string body = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{
      "eventName":"login","spanId":"01020304050607FF","traceId":"30313233343536373839616263646566",
      "attributes":[{"key":"user.id","value":{"stringValue":"42"}},
        {"key":"http","value":{"kvlistValue":{"values":[{"key":"method","value":{"stringValue":"GET"}},
                                                      {"value":{"intValue":"-5"},"key":"status"}]}}}],
      "flags":1,"droppedAttributesCount":2,"body":{"stringValue":"a \u006cine"},"severityText":"INFO",
      "severityNumber":"SEVERITY_NUMBER_INFO","observedTimeUnixNano":1700000000000000009,
      "timeUnixNano":"1700000000000000001","unknown":{"a":[1,{"b":null}]}}],
      "scope":{"name":"lib","version":"1.2","droppedAttributesCount":3,
               "attributes":[{"key":"scope.kind","value":{"stringValue":"k"}}]}}],
      "schemaUrl":"x","resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
                                               {"key":"host.name","value":{"stringValue":"n1"}}]}}]})";
    CHECK(read(body, Form::kJson) == read(full_request().SerializeAsString()));
  }

  TEST_CASE("otlp: a record without a time gets the observed time, else that of its arrival") {
    CHECK(read(json_record(R"("observedTimeUnixNano":"5")"), Form::kJson)[0].entries[0].time == 5);
    CHECK(read(json_record(R"("observedTimeUnixNano":"5")"), Form::kJson)[0].entries[0].metadata.empty());
    CHECK(read(json_record(""), Form::kJson)[0].entries[0].time == 77);
    auto far = read(json_record(R"("timeUnixNano":"18446744073709551615")"), Form::kJson);
    CHECK(far[0].entries[0].time == std::numeric_limits<int64_t>::max());
  }

  TEST_CASE("otlp: bodies of every kind become lines as the collector prints them") {
    CHECK(json_body(R"({"stringValue":"text"})") == "text");
    CHECK(json_body(R"({"boolValue":true})") == "true");
    CHECK(json_body(R"({"intValue":"-9223372036854775808"})") == "-9223372036854775808");
    CHECK(json_body(R"({"doubleValue":1.5})") == "1.5");
    CHECK(json_body(R"({"doubleValue":1e21})") == "1e+21");
    CHECK(json_body(R"({"doubleValue":1e-9})") == "1e-9");
    CHECK(json_body(R"({"doubleValue":100000})") == "100000");
    CHECK(json_body(R"({"doubleValue":"NaN"})") == "json: unsupported value: NaN");
    CHECK(json_body(R"({"bytesValue":"AP8="})") == "AP8=");
    CHECK(json_body("{}").empty());
    CHECK(json_body("null").empty());
    CHECK(json_body("{\"stringValue\":\"a\xff\"}") == "a\ufffd");
    CHECK(json_body(R"({"kvlistValue":{"values":[{"key":"b","value":{"stringValue":"<&>\"\n\u2028"}},
        {"key":"a","value":{"arrayValue":{"values":[{"intValue":1},{},null,{"boolValue":false}]}}},
        {"key":"a","value":{"arrayValue":{"values":[{"doubleValue":2}]}}}]}})") ==
          R"({"a":[2],"b":"\u003c\u0026\u003e\"\n\u2028"})");
    CHECK(json_body(R"({"arrayValue":{"values":[{"doubleValue":"Infinity"}]}})").empty());
    OtlpValue broken{OtlpValue::Kind::kArray};
    broken.children.push_back({OtlpValue::Kind::kText, "a\xff\x01\xc3\xa9"});
    std::string text;
    append_otlp_text(text, broken);
    CHECK(text == "[\"a\\ufffd\\u0001\xc3\xa9\"]");
  }

  TEST_CASE("otlp: index attributes become labels, one stream a resource, even without records") {
    std::string body = R"({"resourceLogs":[
      {"resource":{"attributes":[{"key":"k8s.container.name","value":{"stringValue":"web"}},
                                 {"key":"service.namespace","value":{"stringValue":""}}]}},
      {"resource":{"attributes":[{"key":"x","value":{"intValue":1}}]},"scopeLogs":[{"logRecords":[{},{}]}]}]})";
    auto streams = read(body, Form::kJson);
    REQUIRE(streams.size() == 2);
    CHECK(streams[0].labels == R"({k8s_container_name="web", service_name="web"})");
    CHECK(streams[0].entries.empty());
    CHECK(streams[1].labels == R"({service_name="unknown_service"})");
    REQUIRE(streams[1].entries.size() == 2);
    CHECK(streams[1].entries[0].metadata == Pairs{{"x", "1"}});
    OtlpMapping bare;
    CHECK(read(body, Form::kJson, bare)[1].labels == "{}");
  }

  TEST_CASE("otlp: rules choose what becomes a label, what is dropped, and severities may be labels") {
    auto is = [](std::string_view wanted) { return [wanted](std::string_view name) { return name == wanted; }; };
    OtlpMapping mapping;
    mapping.ignore_defaults = true;
    mapping.resource_rules = {{OtlpAction::kDrop, is("service.name")}, {OtlpAction::kIndexLabel, is("host.name")}};
    mapping.scope_rules = {{OtlpAction::kDrop, is("scope.kind")}};
    mapping.record_rules = {{OtlpAction::kDrop, is("user.id")}};
    mapping.severity_text_as_label = true;
    mapping.resource_as_discovered = true;
    auto streams = read(full_request().SerializeAsString(), Form::kProtobuf, mapping);
    REQUIRE(streams.size() == 1);
    CHECK(
        streams[0].labels ==
        R"({__otlp_resource_host_name="n1", __otlp_resource_service_name="shop", host_name="n1", severity_text="INFO"})");
    CHECK(streams[0].entries[0].metadata.front().first == "http_method");
    CHECK(streams[0].entries[0].metadata.back().first == "scope_dropped_attributes_count");
  }

  TEST_CASE("otlp: names are made label names as Loki does it") {
    CHECK(otlp_label_name("k8s.pod.name").value() == "k8s_pod_name");
    CHECK(otlp_label_name("a.-.b").value() == "a_b");
    CHECK(otlp_label_name("9lives").value() == "key_9lives");
    CHECK(otlp_label_name("__meta__").value() == "__meta__");
    CHECK(otlp_label_name("\xc3\xa9t\xc3\xa9").value() == "_t_");
    CHECK_FALSE(otlp_label_name("").has_value());
    CHECK_FALSE(otlp_label_name("_._").has_value());
    CHECK_FALSE(otlp_label_name("______").has_value());
    CHECK(fault(json_record(R"("attributes":[{"key":"...","value":{"stringValue":"x"}}])"), Form::kJson) ==
          "attribute name '...' has no letter or digit");
  }

  TEST_CASE("otlp: malformed protobuf is refused with a reason, cut anywhere") {
    std::string whole = full_request().SerializeAsString();
    for (size_t size = 0; size < whole.size(); ++size) {
      std::vector<char> exact(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      auto result = try_read({exact.data(), exact.size()}, Form::kProtobuf);
      CHECK((result.has_value() ? size == 0 : result.error().code == Errc::kInvalid));
    }
    auto in_record = [](std::string_view bytes) { return field(1, field(2, field(2, bytes))); };
    CHECK(fault(in_record(field(9, "short")), Form::kProtobuf) == "invalid length for TraceID: 5 bytes, not 16");
    CHECK(fault(in_record(field(10, "short")), Form::kProtobuf) == "invalid length for SpanID: 5 bytes, not 8");
    CHECK(fault(in_record("\x08\x01"), Form::kProtobuf) == "proto: wrong wireType = 0 for field TimeUnixNano");
    std::string deep;
    for (int i = 0; i < 100; ++i) deep = field(5, field(1, deep));
    CHECK(fault(in_record(field(5, deep)), Form::kProtobuf) == "values nested deeper than 64");
    std::string many;
    for (int i = 0; i <= kMaxOtlpValues; ++i) many += "\x32\x00"s;  // field 6, empty
    CHECK(fault(in_record(many), Form::kProtobuf) == "more than 131072 values in one place");
  }

  TEST_CASE("otlp: malformed JSON is refused with a reason") {
    for (std::string_view body : {"", "[]", "{", "{\"resourceLogs\":5}", "{\"resourceLogs\":[5]}", "\xff"})
      CHECK_FALSE(fault(body, Form::kJson).empty());
    CHECK(fault(json_record(R"("timeUnixNano":"x")"), Form::kJson) == "timeUnixNano: a number expected, got x");
    CHECK(fault(json_record(R"("timeUnixNano":-1)"), Form::kJson) == "timeUnixNano: a number expected, got -1");
    CHECK(fault(json_record(R"("traceId":"zz")"), Form::kJson) == "traceId: 32 hexadecimal digits expected, got 2");
    CHECK(fault(json_record(R"("spanId":"zz00000000000000")"), Form::kJson) ==
          "spanId: not hexadecimal: zz00000000000000");
    CHECK(fault(json_record(R"("severityNumber":"LOUD")"), Form::kJson) == "severityNumber: unknown severity \"LOUD\"");
    CHECK_FALSE(fault(json_record(R"("body":{"bytesValue":"%"})"), Form::kJson).empty());
    CHECK_FALSE(fault(json_record(R"("body":"text")"), Form::kJson).empty());
    CHECK_FALSE(fault(json_record(R"("body":{"stringValue":"\ud800"})"), Form::kJson).empty());
    std::string deep = R"({"intValue":1})";
    for (int i = 0; i < 100; ++i) deep = concat(R"({"arrayValue":{"values":[)", deep, "]}}");
    CHECK(fault(json_record(concat(R"("body":)", deep)), Form::kJson) == "values nested deeper than 64");
    CHECK(read(R"({"resourceLogs":null})", Form::kJson).empty());
  }

  TEST_CASE("otlp: null in JSON is nothing, and as a record one without fields") {
    CHECK(read("null", Form::kJson).empty());
    CHECK(read(R"({"resourceLogs":[null]})", Form::kJson).empty());
    for (const auto& stream : read(R"({"resourceLogs":[null,{"scopeLogs":[null]}]})", Form::kJson))
      CHECK(stream.entries.empty());
    auto streams =
        read(R"({"resourceLogs":[{"resource":null,"scopeLogs":[{"scope":null,"logRecords":[null]}]}]})", Form::kJson);
    REQUIRE(streams.size() == 1);
    REQUIRE(streams[0].entries.size() == 1);
    CHECK(streams[0].entries[0].line.empty());
  }
}
