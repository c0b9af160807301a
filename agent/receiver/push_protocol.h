// PushProtocol: Loki's push requests, as Promtail's loki_push_api and Alloy's loki.source.api take them.
//
//   POST /loki/api/v1/push, /api/v1/push   protobuf (snappy, or gzip or deflate around snappy) or JSON (gzip, deflate)
//   POST /api/prom/push                    the same; JSON in the older form
//   POST /loki/api/v1/raw, /api/v1/raw, /promtail/api/v1/raw   text, a line an entry, at the time of its arrival
//
// A stream whose labels cannot be read is refused (400, with the reason of the first) after the others are settled.
// Thread: any.
#pragma once

#include "agent/receiver/receiver_options.h"
#include "agent/receiver/receiver_protocol.h"

namespace agent {

class PushProtocol final : public ReceiverProtocol {
 public:
  explicit PushProtocol(std::shared_ptr<const PushOptions> options) : options_(std::move(options)) {}

  std::vector<HttpListeners::Route> routes() const override;
  pipeline::Result<ReceivedEntries> read(const pipeline::HttpRequest& request) const override;
  bool repeatable() const override { return options_->use_incoming_timestamp; }
  pipeline::HttpResponse taken(const pipeline::HttpRequest& request) const override;
  pipeline::HttpResponse refusal(const pipeline::HttpRequest& request, int status, std::string text) const override;

 private:
  pipeline::Result<ReceivedEntries> read_raw(const pipeline::HttpRequest& request) const;

  const std::shared_ptr<const PushOptions> options_;
};

}  // namespace agent
