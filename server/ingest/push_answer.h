// PushAnswer: what the sender of a push is told, in the words of its protocol.
//
//   kLoki, kLegacyLoki, kJsonLines   204 and nothing, or the text of the refusal, as Loki
//   kLokiOtlp (/otlp/v1/logs)        the same as Loki's endpoint: 204, or a google.rpc.Status in protobuf with the text
//   kOtlp     (/v1/logs)             as OTLP/HTTP says: 200 with a partial success where records were refused, or a
//                                    google.rpc.Status, in the form of the request
//   kElasticsearch                   200 with an item for each document, or Elasticsearch's error
//
// Thread: any.
#pragma once

#include <string>

#include "pipeline/http/http_message.h"

namespace server {

enum class PushProtocol : uint8_t { kLoki, kLegacyLoki, kLokiOtlp, kOtlp, kElasticsearch, kJsonLines };

struct PushAnswer {
  int status = 204;
  std::string text = {};      // of an error
  bool stored = false;        // at least one entry is durable: the batch number counts as stored
  uint64_t refused = 0;       // entries
  std::string document = {};  // kElasticsearch: the answer of a push that was understood
};

// `json`: the request was JSON, where the protocol has another form as well.
pipeline::HttpResponse push_response(PushProtocol protocol, bool json, const PushAnswer& answer);

}  // namespace server
