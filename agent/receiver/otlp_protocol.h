// OtlpProtocol: OTLP/HTTP log exports: POST /v1/logs, and /otlp/v1/logs for exporters that are set up for Loki.
//
// application/x-protobuf or application/json, Content-Encoding gzip, zstd or none. Answers are OTLP's: 200 with an
// empty ExportLogsServiceResponse; refusals carry a google.rpc.Status in the form of the request. Thread: any.
#pragma once

#include "agent/receiver/receiver_options.h"
#include "agent/receiver/receiver_protocol.h"

namespace agent {

class OtlpProtocol final : public ReceiverProtocol {
 public:
  explicit OtlpProtocol(std::shared_ptr<const OtlpOptions> options) : options_(std::move(options)) {}

  std::vector<HttpListeners::Route> routes() const override;
  pipeline::Result<ReceivedEntries> read(const pipeline::HttpRequest& request) const override;
  bool repeatable() const override { return true; }
  pipeline::HttpResponse taken(const pipeline::HttpRequest& request) const override;
  pipeline::HttpResponse refusal(const pipeline::HttpRequest& request, int status, std::string text) const override;

 private:
  const std::shared_ptr<const OtlpOptions> options_;
};

}  // namespace agent
