#include "server/ingest/push_answer.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/varint.h"
#include "pipeline/parse/json.h"

namespace server {

using pipeline::append_varint;
using pipeline::concat;
using pipeline::HttpResponse;

namespace {

constexpr const char* kProtobuf = "application/x-protobuf";

std::string quoted(std::string_view text) {
  std::string out;
  pipeline::append_compact_text(out, text);
  return out;
}

void append_field(std::string& out, char tag, std::string_view bytes) {
  out += tag;
  append_varint(out, bytes.size());
  out += bytes;
}

// google.rpc.Status { string message = 2 }
std::string status_message(std::string_view text) {
  std::string out;
  append_field(out, '\x12', text);
  return out;
}

HttpResponse with_type(int status, const char* type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", type);
  response.body = std::move(body);
  return response;
}

HttpResponse loki_otlp(const PushAnswer& answer) {
  if (answer.status == 204) return HttpResponse::empty(204);
  return with_type(answer.status == 500 ? 503 : answer.status, kProtobuf, status_message(answer.text));
}

// ExportLogsServiceResponse { ExportLogsPartialSuccess partial_success = 1 { int64 rejected_log_records = 1; string
// error_message = 2 } }
HttpResponse otlp(bool json, const PushAnswer& answer) {
  const bool partial = answer.refused > 0 && answer.stored;
  if (answer.status != 204 && !partial) {
    if (!json) return with_type(answer.status, kProtobuf, status_message(answer.text));
    return with_type(answer.status, "application/json", concat(R"({"message":)", quoted(answer.text), "}"));
  }
  if (json) {
    std::string success =
        partial ? concat(R"("rejectedLogRecords":")", answer.refused, R"(","errorMessage":)", quoted(answer.text)) : "";
    return with_type(200, "application/json", concat(R"({"partialSuccess":{)", success, "}}"));
  }
  std::string success, body;
  if (partial) {
    success += '\x08';
    append_varint(success, answer.refused);
    append_field(success, '\x12', answer.text);
    append_field(body, '\x0a', success);
  }
  return with_type(200, kProtobuf, std::move(body));
}

HttpResponse elasticsearch(const PushAnswer& answer) {
  HttpResponse response;
  if (!answer.document.empty() && answer.status != 503) {
    response = with_type(200, "application/json", answer.document);
  } else {
    std::string_view type = answer.status == 429 || answer.status == 503 ? "es_rejected_execution_exception"
                            : answer.status == 413                       ? "content_too_long_exception"
                                                                         : "illegal_argument_exception";
    response = with_type(answer.status == 503 ? 429 : answer.status, "application/json",
                         concat(R"({"error":{"type":")", type, R"(","reason":)", quoted(answer.text), R"(},"status":)",
                                answer.status == 503 ? 429 : answer.status, "}"));
  }
  response.headers.add("X-Elastic-Product", "Elasticsearch");
  return response;
}

}  // namespace

HttpResponse push_response(PushProtocol protocol, bool json, const PushAnswer& answer) {
  HttpResponse response;
  switch (protocol) {
    case PushProtocol::kLokiOtlp: response = loki_otlp(answer); break;
    case PushProtocol::kOtlp: response = otlp(json, answer); break;
    case PushProtocol::kElasticsearch: response = elasticsearch(answer); break;
    default:
      if (answer.status == 204) return HttpResponse::empty(204);
      response = HttpResponse::text(answer.status, concat(answer.text, "\n"));
  }
  if (answer.status == 503 || answer.status == 429) response.headers.add("Retry-After", "1");
  return response;
}

}  // namespace server
