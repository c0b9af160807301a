// ReceivedStreams: fills a parcel with what a decoder of requests tells.
//
// Thread: one.
#pragma once

#include "agent/receiver/receiver_protocol.h"
#include "pipeline/codec/push_visitor.h"

namespace agent {

class ReceivedStreams final : public pipeline::PushVisitor {
 public:
  enum class Texts { kCopy, kKept };  // kKept: they live as long as what the parcel keeps
  enum class Times { kIncoming, kArrival };

  ReceivedStreams(std::vector<pipeline::Label> client_labels, Texts texts, Times times)
      : client_labels_(std::move(client_labels)), texts_(texts), times_(times) {}

  void on_stream(std::string_view labels, size_t entries) override;
  void on_entry(pipeline::UnixNanos time, std::string_view line, std::span<const pipeline::Metadata> metadata) override;

  ReceivedEntries take() { return std::move(out_); }
  Parcel& parcel() { return out_.parcel; }

 private:
  const std::vector<pipeline::Label> client_labels_;
  const Texts texts_;
  const Times times_;
  ReceivedEntries out_;
  std::optional<size_t> labels_;  // of the current stream; none: it is refused
};

}  // namespace agent
