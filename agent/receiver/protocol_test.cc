#include <doctest/doctest.h>

#include "agent/receiver/otlp_protocol.h"
#include "agent/receiver/push_protocol.h"
#include "pipeline/codec/deflate.h"
#include "pipeline/codec/push_writer.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

namespace agent {
namespace {

using pipeline::concat;
using pipeline::HttpHeaders;
using pipeline::HttpRequest;

HttpRequest request(std::string path, std::string type, std::string encoding, std::string body) {
  HttpRequest r{"POST", path, path, "", {}, std::move(body)};
  if (!type.empty()) r.headers.add("Content-Type", std::move(type));
  if (!encoding.empty()) r.headers.add("Content-Encoding", std::move(encoding));
  r.peer = "10.0.0.7:4711";
  return r;
}

std::string protobuf_body() {
  pipeline::ByteBuffer entries;
  std::vector<pipeline::Metadata> metadata = {{"k", "v"}};
  pipeline::append_push_entry(entries, 1'700'000'000'000'000'001, "a line", metadata);
  pipeline::PushBody body;
  body.add_stream(R"({app="x"})", entries.view());
  auto fragments = body.fragments();
  return pipeline::snappy_compress(fragments);
}
const std::string kJsonBody =
    R"({"streams":[{"stream":{"app":"x"},"values":[["1700000000000000001","a line",{"k":"v"}]]}]})";

struct Push {
  std::shared_ptr<PushOptions> options = std::make_shared<PushOptions>();
  PushProtocol protocol{options};

  std::string deflated(std::string_view bytes) {  // a gzip member without its frame is raw deflate
    std::string gzip = pipeline::gzip_compress(bytes);
    return gzip.substr(10, gzip.size() - 18);
  }
  // "{labels} time line {name=value}" of each entry.
  std::vector<std::string> read(const HttpRequest& r) { return texts(protocol.read(r)); }
  static std::vector<std::string> texts(const pipeline::Result<ReceivedEntries>& entries) {
    if (!entries) return {concat("fault: ", entries.error().message)};
    std::vector<std::string> out;
    for (const Parcel::Entry& entry : entries->parcel.entries()) {
      out.push_back(concat(entries->parcel.label_sets()[entry.labels].text(), " ", entry.time, " ", entry.line));
      for (auto& pair : entries->parcel.metadata(entry)) out.back() += concat(" ", pair.name, "=", pair.value);
    }
    return out;
  }
};

const std::vector<std::string> kOneLine = {
    R"({__client_address__="10.0.0.7", app="x"} 1700000000000000001 a line k=v)"};

}  // namespace

TEST_SUITE("agent/receiver") {
  TEST_CASE("push: protobuf and JSON in all their encodings are the same entries") {
    Push f;
    const std::string path = "/loki/api/v1/push", protobuf = "application/x-protobuf";
    const std::string json = "application/json; charset=utf-8";
    CHECK(f.read(request(path, protobuf, "", protobuf_body())) == kOneLine);
    CHECK(f.read(request(path, protobuf, "snappy", protobuf_body())) == kOneLine);
    CHECK(f.read(request(path, "text/plain", "", protobuf_body())) == kOneLine);
    CHECK(f.read(request(path, protobuf, "gzip", pipeline::gzip_compress(protobuf_body()))) == kOneLine);
    CHECK(f.read(request(path, protobuf, "deflate", f.deflated(protobuf_body()))) == kOneLine);
    CHECK(f.read(request(path, json, "", kJsonBody)) == kOneLine);
    CHECK(f.read(request(path, json, "gzip", pipeline::gzip_compress(kJsonBody))) == kOneLine);
    CHECK(f.read(request(path, json, "deflate", f.deflated(kJsonBody))) == kOneLine);
    CHECK(f.read(request("/api/prom/push", json, "",
                         R"({"streams":[{"labels":"{app=\"x\"}","entries":[
                              {"ts":"2023-11-14T22:13:20.000000001Z","line":"a line","structuredMetadata":{"k":"v"}}]}]})")) ==
          kOneLine);
  }

  TEST_CASE("push: entries are told whose they are") {
    Push f;
    HttpRequest r = request("/loki/api/v1/push", "application/json", "", kJsonBody);
    r.peer = "[::1]:4711";
    r.client_name = "spoke-7";
    r.headers.add("X-Scope-OrgID", "team-a");
    CHECK(
        f.read(r) ==
        std::vector<std::string>{
            R"({__client_address__="::1", __client_cn__="spoke-7", __tenant_id__="team-a", app="x"} 1700000000000000001 a line k=v)"});
  }

  TEST_CASE("push: without use_incoming_timestamp entries get the time of their arrival") {
    Push f;
    f.options->use_incoming_timestamp = false;
    CHECK(f.read(request("/loki/api/v1/push", "x/y", "", protobuf_body()))[0].find(" 0 a line") != std::string::npos);
    CHECK_FALSE(f.protocol.repeatable());
  }

  TEST_CASE("push: a raw text is an entry for each line") {
    Push f;
    CHECK(f.read(request("/promtail/api/v1/raw", "", "", "one\r\n\n\rtwo\n \nthree")) ==
          std::vector<std::string>{R"({__client_address__="10.0.0.7"} 0 one)",
                                   R"({__client_address__="10.0.0.7"} 0 two)", R"({__client_address__="10.0.0.7"} 0  )",
                                   R"({__client_address__="10.0.0.7"} 0 three)"});
  }

  TEST_CASE("push: what is malformed or too large is refused with a reason") {
    Push f;
    auto code = [&](const HttpRequest& r) {
      auto entries = f.protocol.read(r);
      return entries ? std::string("read") : std::string(pipeline::errc_name(entries.error().code));
    };
    const std::string invalid(errc_name(pipeline::Errc::kInvalid)), over(errc_name(pipeline::Errc::kOverLimit));
    CHECK(code(request("/loki/api/v1/push", "", "", protobuf_body())) == invalid);
    CHECK(code(request("/loki/api/v1/push", "a/b", "zstd", protobuf_body())) == invalid);
    CHECK(code(request("/loki/api/v1/push", "a/b", "", "no snappy")) == invalid);
    CHECK(code(request("/loki/api/v1/push", "a/b", "", pipeline::snappy_compress("no protobuf"))) == invalid);
    CHECK(code(request("/loki/api/v1/push", "application/json", "gzip", kJsonBody)) == invalid);
    f.options->listen.max_body_bytes = 64;
    CHECK(code(request("/loki/api/v1/push", "a/b", "", pipeline::snappy_compress(std::string(65, 'x')))) == over);
    CHECK(code(request("/loki/api/v1/push", "application/json", "gzip", pipeline::gzip_compress(kJsonBody))) == over);
    CHECK(f.protocol.refusal({}, 400, "why").body == "why\n");
    CHECK(f.protocol.taken({}).status == 204);
  }

  TEST_CASE("otlp: both forms and encodings are read, resources are there to relabel by") {
    auto options = std::make_shared<OtlpOptions>();
    options->mapping.resource_as_discovered = true;
    options->mapping.discover_service_name = pipeline::default_service_name_labels();
    OtlpProtocol protocol(options);
    std::string json =
        R"({"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}},
            {"key":"host.name","value":{"stringValue":"h"}}]},
            "scopeLogs":[{"logRecords":[{"timeUnixNano":"5","body":{"stringValue":"x"}},{"body":{"intValue":7}}]}]}]})";
    std::vector<std::string> wanted;
    for (std::string_view entry : {"5 x host_name=h", "0 7 host_name=h"})
      wanted.push_back(concat(R"({__client_address__="10.0.0.7", __otlp_resource_host_name="h", )",
                              R"(__otlp_resource_service_name="s", service_name="s"} )", entry));
    auto read = [&](std::string type, std::string encoding, std::string body) {
      return Push::texts(protocol.read(request("/v1/logs", std::move(type), std::move(encoding), std::move(body))));
    };
    std::string frame;
    pipeline::zstd_compress(json, frame);
    CHECK(read("application/json", "", json) == wanted);
    CHECK(read("application/json", "gzip", pipeline::gzip_compress(json)) == wanted);
    CHECK(read("application/json", "zstd", frame) == wanted);
    CHECK(read("application/x-protobuf", "", "").empty());
    CHECK(read("application/x-protobuf", "", json)[0].starts_with("fault: "));
    CHECK(read("text/plain", "", json)[0] ==
          "fault: content type \"text/plain\" is not supported; use application/x-protobuf or application/json");
  }

  TEST_CASE("otlp: answers have the form of their request") {
    OtlpProtocol protocol(std::make_shared<OtlpOptions>());
    HttpRequest json = request("/v1/logs", "application/json", "", ""), proto = request("/v1/logs", "a/b", "", "");
    CHECK(protocol.taken(json).body == R"({"partialSuccess":{}})");
    CHECK(protocol.taken(proto).status == 200);
    CHECK(protocol.taken(proto).body.empty());
    CHECK(protocol.refusal(json, 503, "no \"room\"").body == R"({"code":14,"message":"no \"room\""})");
    CHECK(protocol.refusal(proto, 400, "bad").body ==
          "\x08\x03\x12\x03"
          "bad");
    CHECK(protocol.refusal(proto, 400, "bad").headers.get("Content-Type") == "application/x-protobuf");
  }
}

}  // namespace agent
