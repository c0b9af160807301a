#include "agent/receiver/push_protocol.h"

#include "agent/receiver/body_encoding.h"
#include "agent/receiver/received_streams.h"
#include "pipeline/codec/push_json.h"
#include "pipeline/codec/push_reader.h"
#include "pipeline/codec/snappy_block.h"

namespace agent {

using pipeline::ByteBuffer;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpRequest;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {

// A parcel keeps the decompressed request, its entries look into it.
struct KeptBody {
  ByteBuffer bytes;
};

std::string_view trimmed(std::string_view line) {
  size_t begin = line.find_first_not_of("\r\n"), end = line.find_last_not_of("\r\n");
  return begin == line.npos ? std::string_view() : line.substr(begin, end + 1 - begin);
}

}  // namespace

std::vector<HttpListeners::Route> PushProtocol::routes() const {
  std::vector<HttpListeners::Route> routes = {{"/loki/api/v1/push", "loki_api_v1_push"},
                                              {"/api/v1/push", "api_v1_push"},
                                              {"/api/prom/push", "api_prom_push"},
                                              {"/loki/api/v1/raw", "loki_api_v1_raw"},
                                              {"/api/v1/raw", "api_v1_raw"},
                                              {"/promtail/api/v1/raw", "promtail_api_v1_raw"}};
  for (auto& route : routes) route.path = concat(options_->path_prefix, route.path);
  return routes;
}

Result<ReceivedEntries> PushProtocol::read(const HttpRequest& request) const {
  if (request.path.ends_with("/raw")) return read_raw(request);
  using Encoding = BodyEncoding;
  std::string type = pipeline::media_type(request.headers.get("Content-Type"));
  if (type.empty())
    return fail(Errc::kInvalid, "mime: no media type; send Content-Type application/json or application/x-protobuf");
  TRY_LET(Encoding encoding, body_encoding(request.headers.get("Content-Encoding"),
                                           {Encoding::kSnappy, Encoding::kGzip, Encoding::kDeflate}));
  if (encoding == Encoding::kSnappy) encoding = Encoding::kNone;  // says what every protobuf body is anyway
  auto times = options_->use_incoming_timestamp ? ReceivedStreams::Times::kIncoming : ReceivedStreams::Times::kArrival;
  const uint64_t limit = options_->max_body_bytes();
  auto kept = std::make_shared<KeptBody>();
  ByteBuffer outer;
  if (type == "application/json") {
    TRY_LET(std::string_view body, decoded_body(encoding, request.body, limit, kept->bytes));
    ReceivedStreams streams(client_labels(request), ReceivedStreams::Texts::kCopy, times);
    bool legacy = request.path.ends_with("/api/prom/push");
    TRY(legacy ? pipeline::decode_legacy_push_json(body, streams) : pipeline::decode_push_json(body, streams));
    return streams.take();
  }
  TRY_LET(std::string_view block, decoded_body(encoding, request.body, limit, outer));
  TRY(pipeline::snappy_uncompress(block, limit, kept->bytes));
  ReceivedStreams streams(client_labels(request), ReceivedStreams::Texts::kKept, times);
  streams.parcel().keep(kept, kept->bytes.capacity());
  TRY(pipeline::decode_push(kept->bytes.view(), streams));
  return streams.take();
}

Result<ReceivedEntries> PushProtocol::read_raw(const HttpRequest& request) const {
  TRY_LET(BodyEncoding encoding,
          body_encoding(request.headers.get("Content-Encoding"), {BodyEncoding::kGzip, BodyEncoding::kDeflate}));
  ByteBuffer buffer;
  TRY_LET(std::string_view text, decoded_body(encoding, request.body, options_->max_body_bytes(), buffer));
  ReceivedStreams streams(client_labels(request), ReceivedStreams::Texts::kCopy, ReceivedStreams::Times::kArrival);
  streams.on_stream("{}", 1);
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty()) streams.on_entry(0, line, {});
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return streams.take();
}

HttpResponse PushProtocol::taken(const HttpRequest&) const { return HttpResponse::empty(204); }

HttpResponse PushProtocol::refusal(const HttpRequest&, int status, std::string text) const {
  return HttpResponse::text(status, text + "\n");
}

}  // namespace agent
