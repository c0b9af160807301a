// ReceiverSource: a [[source]] of type push or otlp: a place on an HTTP listener, and the intake of its requests.
//
// Life, thread: as StreamSource.
#pragma once

#include "agent/receiver/intake.h"
#include "agent/receiver/receiver_options.h"
#include "pipeline/config/config.h"

namespace agent {

class ReceiverSource final : public StreamSource {
 public:
  ReceiverSource(const StreamParts& parts, std::shared_ptr<const ReceiverProtocol> protocol);
  ~ReceiverSource() override;

  pipeline::Result<void> start() override;
  void stop() override;
  std::vector<Target> targets() const override;

 private:
  const StreamParts parts_;
  const std::shared_ptr<const ReceiverProtocol> protocol_;
  const std::shared_ptr<Intake> intake_;
  std::unique_ptr<HttpListeners::Mount> mount_;
};

// For agent/stream_types.cc.
std::shared_ptr<const StreamOptions> read_push(const pipeline::ConfigTable& table);
std::unique_ptr<StreamSource> make_push(const StreamParts& parts);
std::shared_ptr<const StreamOptions> read_otlp(const pipeline::ConfigTable& table);
std::unique_ptr<StreamSource> make_otlp(const StreamParts& parts);

}  // namespace agent
