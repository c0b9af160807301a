#include "agent/receiver/receiver_source.h"

#include "agent/receiver/otlp_protocol.h"
#include "agent/receiver/push_protocol.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::Result;

namespace {
template <class Options>
std::shared_ptr<const Options> options_of(const StreamParts& parts) {
  auto options = std::dynamic_pointer_cast<const Options>(parts.options->stream);
  INVARIANT(options != nullptr);  // stream_types.cc pairs them
  return options;
}
}  // namespace

ReceiverSource::ReceiverSource(const StreamParts& parts, std::shared_ptr<const ReceiverProtocol> protocol)
    : parts_(parts), protocol_(std::move(protocol)), intake_(std::make_shared<Intake>(parts, protocol_)) {}

ReceiverSource::~ReceiverSource() { stop(); }

Result<void> ReceiverSource::start() {
  INVARIANT(parts_.listeners != nullptr);
  auto options = options_of<ReceiverOptions>(parts_);
  TRY_LET(mount_, parts_.listeners->mount(options->listen, protocol_->routes(),
                                          [intake = intake_](HttpRequest request, HttpResponder responder) {
                                            intake->handle(std::move(request), std::move(responder));
                                          }));
  pipeline::log_info("receiving", {{"source", parts_.options->name}, {"listen", options->place()}});
  return {};
}

void ReceiverSource::stop() {
  mount_.reset();
  intake_->stop();
}

std::vector<Target> ReceiverSource::targets() const {
  std::vector<pipeline::Label> labels(parts_.options->labels.begin(), parts_.options->labels.end());
  return {{parts_.options->name,
           parts_.options->stream->place(),
           {},
           pipeline::LabelSet::from(std::move(labels)),
           mount_ ? "active" : "failed",
           mount_ ? "" : "not listening"}};
}

std::unique_ptr<StreamSource> make_push(const StreamParts& parts) {
  return std::make_unique<ReceiverSource>(parts, std::make_shared<PushProtocol>(options_of<PushOptions>(parts)));
}
std::unique_ptr<StreamSource> make_otlp(const StreamParts& parts) {
  return std::make_unique<ReceiverSource>(parts, std::make_shared<OtlpProtocol>(options_of<OtlpOptions>(parts)));
}

}  // namespace agent
