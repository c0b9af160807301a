#include "agent/receiver/otlp_protocol.h"

#include "agent/receiver/body_encoding.h"
#include "agent/receiver/received_streams.h"
#include "pipeline/base/varint.h"
#include "pipeline/codec/otlp_json.h"
#include "pipeline/codec/otlp_reader.h"
#include "pipeline/stage/entry_json.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpRequest;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {

constexpr std::string_view kJson = "application/json", kProtobuf = "application/x-protobuf";

bool is_json(const HttpRequest& request) { return pipeline::media_type(request.headers.get("Content-Type")) == kJson; }

// google.rpc.Code of an HTTP status.
int rpc_code(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415: return 3;   // INVALID_ARGUMENT
    case 429: return 8;   // RESOURCE_EXHAUSTED
    case 503: return 14;  // UNAVAILABLE
    default: return 13;   // INTERNAL
  }
}

}  // namespace

std::vector<HttpListeners::Route> OtlpProtocol::routes() const {
  return {{concat(options_->path_prefix, "/v1/logs"), "v1_logs"},
          {concat(options_->path_prefix, "/otlp/v1/logs"), "otlp_v1_logs"}};
}

Result<ReceivedEntries> OtlpProtocol::read(const HttpRequest& request) const {
  std::string type = pipeline::media_type(request.headers.get("Content-Type"));
  if (type != kJson && type != kProtobuf)
    return fail(Errc::kNotFound,
                concat("content type \"", type, "\" is not supported; use ", kProtobuf, " or ", kJson));
  TRY_LET(BodyEncoding encoding,
          body_encoding(request.headers.get("Content-Encoding"), {BodyEncoding::kGzip, BodyEncoding::kZstd}));
  pipeline::ByteBuffer buffer;
  TRY_LET(std::string_view body, decoded_body(encoding, request.body, options_->max_body_bytes(), buffer));
  ReceivedStreams streams(client_labels(request), ReceivedStreams::Texts::kCopy, ReceivedStreams::Times::kIncoming);
  pipeline::OtlpEntries entries(options_->mapping, 0, streams);  // 0: a parcel's word for the time of arrival
  TRY(type == kJson ? pipeline::decode_otlp_json(body, entries) : pipeline::decode_otlp(body, entries));
  entries.finish();
  return streams.take();
}

HttpResponse OtlpProtocol::taken(const HttpRequest& request) const {
  if (is_json(request)) return {200, {{"Content-Type", std::string(kJson)}}, "{\"partialSuccess\":{}}"};
  return {200, {{"Content-Type", std::string(kProtobuf)}}, ""};
}

HttpResponse OtlpProtocol::refusal(const HttpRequest& request, int status, std::string text) const {
  if (is_json(request)) {
    std::string body = concat("{\"code\":", rpc_code(status), ",\"message\":");
    pipeline::append_json_string(body, text);
    return {status, {{"Content-Type", std::string(kJson)}}, body + "}"};
  }
  std::string body = "\x08";  // Status { int32 code = 1; string message = 2 }
  pipeline::append_varint(body, static_cast<uint64_t>(rpc_code(status)));
  body += "\x12";
  pipeline::append_varint(body, text.size());
  return {status, {{"Content-Type", std::string(kProtobuf)}}, body + text};
}

}  // namespace agent
