#include "server/ingest/push_metrics.h"

namespace server {

PushMetrics::PushMetrics(pipeline::Registry& registry)
    : registry_(registry),
      body_bytes_(registry.counter("skidway_server_push_body_bytes_total", "Bytes of push bodies as received")),
      entries_(registry.counter("skidway_server_stored_entries_total", "Entries acknowledged")),
      bytes_(
          registry.counter("skidway_server_stored_bytes_total", "Bytes of lines and structured metadata acknowledged")),
      duplicate_batches_(registry.counter("skidway_server_duplicate_batches_total",
                                          "Numbered batches that were stored already, answered 204")),
      unavailable_(registry.counter("skidway_server_unavailable_pushes_total", "Pushes answered 503")),
      held_(registry.gauge("skidway_server_held_pushes", "Pushes held back until there is room")) {}

void PushMetrics::on_stored(const std::string& tenant, uint64_t entries, uint64_t bytes) {
  entries_.add(entries);
  bytes_.add(bytes);
  pipeline::MetricLabels labels{{"tenant", tenant}};
  registry_.counter("loki_distributor_lines_received_total", "Lines received per tenant", labels).add(entries);
  registry_.counter("loki_distributor_bytes_received_total", "Bytes received per tenant", labels).add(bytes);
}

void PushMetrics::on_cut(const std::string& tenant, uint64_t lines, uint64_t bytes) {
  pipeline::MetricLabels labels{{"reason", std::string(reject_reason_name(RejectReason::kLineTooLong))},
                                {"tenant", tenant}};
  registry_.counter("loki_mutated_samples_total", "Entries changed because of a limit, per tenant", labels).add(lines);
  registry_.counter("loki_mutated_bytes_total", "Bytes cut from lines because of a limit, per tenant", labels)
      .add(bytes);
}

void PushMetrics::on_too_large(const std::string& tenant, uint64_t bytes) {
  registry_
      .counter("loki_discarded_bytes_total", "Bytes of entries refused per tenant",
               {{"reason", std::string(reject_reason_name(RejectReason::kBodyTooLarge))}, {"tenant", tenant}})
      .add(bytes);
}

void PushMetrics::on_refused(const std::string& tenant, const Rejections& rejections) {
  for (size_t i = 0; i < static_cast<size_t>(RejectReason::kCount); ++i) {
    auto reason = static_cast<RejectReason>(i);
    if (rejections.entries(reason) == 0) continue;
    std::string name(reject_reason_name(reason));
    registry_.counter("skidway_server_rejected_entries_total", "Entries refused", {{"reason", name}})
        .add(rejections.entries(reason));
    pipeline::MetricLabels labels{{"reason", name}, {"tenant", tenant}};
    registry_.counter("loki_discarded_samples_total", "Entries refused per tenant", labels)
        .add(rejections.entries(reason));
    registry_.counter("loki_discarded_bytes_total", "Bytes of entries refused per tenant", labels)
        .add(rejections.bytes(reason));
  }
}

}  // namespace server
