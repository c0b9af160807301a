#include "agent/sink/sink_metrics.h"

namespace agent {

using pipeline::MetricLabels;
using pipeline::Registry;

SinkMetrics::SinkMetrics(Registry& r, std::string sink, std::string host)
    : registry_(r),
      sink_(std::move(sink)),
      host_(std::move(host)),
      in_entries_(r.counter("skidway_agent_sink_in_entries_total", "Entries that entered the sink.", labels())),
      in_bytes_(r.counter("skidway_agent_sink_in_bytes_total", "Bytes of their lines.", labels())),
      sent_entries_(
          r.counter("skidway_agent_sink_sent_entries_total", "Entries acknowledged by the far side.", labels())),
      sent_bytes_(r.counter("skidway_agent_sink_sent_bytes_total", "Bytes of their lines.", labels())),
      sent_body_bytes_(r.counter("skidway_agent_sink_sent_body_bytes_total",
                                 "Bytes of acknowledged request bodies, compressed.", labels())),
      batches_(r.counter("skidway_agent_sink_sent_batches_total", "Batches acknowledged by the far side.", labels())),
      rebuilt_(r.counter("skidway_agent_sink_rebuilt_entries_total",
                         "Entries of batches of an earlier run that were built again.", labels())),
      retries_(r.counter("skidway_agent_sink_retries_total", "Requests repeated after a failure.", labels())),
      waiting_entries_(
          r.gauge("skidway_agent_sink_waiting_entries", "Entries in open, waiting and unanswered batches.", labels())),
      waiting_bytes_(r.gauge("skidway_agent_sink_waiting_bytes", "Bytes of their lines.", labels())),
      in_flight_(r.gauge("skidway_agent_sink_in_flight_batches", "Batches sent or waiting for a retry.", labels())),
      queued_batches_(r.gauge("skidway_agent_sink_queued_batches", "Closed batches without an answer.", labels())),
      queued_bytes_(r.gauge("skidway_agent_sink_queued_body_bytes", "Bytes of their bodies, compressed.", labels())),
      splits_(r.counter("skidway_agent_sink_split_batches_total",
                        "Batches cut in halves, as the far side finds them too "
                        "large.",
                        labels())),
      hedges_(r.counter("skidway_agent_sink_hedged_requests_total", "Second requests for a batch whose answer is late.",
                        labels())),
      failovers_(r.counter("skidway_agent_sink_failovers_total", "Changes from one URL to another.", labels())),
      window_(r.gauge("skidway_agent_sink_window_requests", "Requests allowed at once at this time.", labels())),
      dead_letters_(r.counter("skidway_agent_sink_dead_letter_entries_total",
                              "Refused entries written to the "
                              "dead-letter folder.",
                              labels())),
      dead_letter_failures_(r.counter("skidway_agent_sink_dead_letter_failures_total",
                                      "Writes to the dead-letter folder "
                                      "that failed and are tried again.",
                                      labels())),
      dead_letter_bytes_(r.gauge("skidway_agent_sink_dead_letter_bytes", "Bytes in the dead-letter folder.", labels())),
      dead_letters_removed_(r.counter("skidway_agent_sink_dead_letter_removed_bytes_total",
                                      "Bytes of dead letters removed "
                                      "to keep the limit.",
                                      labels())) {
  for (const char* reason : {"rejected", "no_labels"}) dropped(reason, {}, "");  // there from the start, with 0
}

void SinkMetrics::set_host(std::string host) {
  std::lock_guard lock(mutex_);
  host_ = std::move(host);
}

std::string SinkMetrics::host() const {
  std::lock_guard lock(mutex_);
  return host_;
}

MetricLabels SinkMetrics::labels(std::string_view name, std::string_view value) const {
  MetricLabels out{{"sink", sink_}};
  if (!name.empty()) out.emplace_back(name, value);
  return out;
}

void SinkMetrics::take(Volume v) {
  in_entries_.add(v.entries), in_bytes_.add(v.bytes);
  waiting_entries_.add(static_cast<int64_t>(v.entries)), waiting_bytes_.add(static_cast<int64_t>(v.bytes));
}

void SinkMetrics::leave(Volume v) {
  waiting_entries_.add(-static_cast<int64_t>(v.entries)), waiting_bytes_.add(-static_cast<int64_t>(v.bytes));
}

void SinkMetrics::rebuilt(Volume v) {
  rebuilt_.add(v.entries);
  come_back(v);
}

void SinkMetrics::come_back(Volume v) {
  waiting_entries_.add(static_cast<int64_t>(v.entries)), waiting_bytes_.add(static_cast<int64_t>(v.bytes));
}

void SinkMetrics::sent(Volume v, uint64_t body_bytes, const std::string&) {
  leave(v);
  batches_.add();
  sent_entries_.add(v.entries), sent_bytes_.add(v.bytes), sent_body_bytes_.add(body_bytes);
  std::string far = host();
  if (far.empty()) return;
  MetricLabels host{{"host", far}};
  registry_.counter("promtail_sent_entries_total", "Entries acknowledged, under Promtail's name.", host).add(v.entries);
  registry_.counter("promtail_sent_bytes_total", "Body bytes acknowledged, under Promtail's name.", host)
      .add(body_bytes);
  registry_.counter("promtail_encoded_bytes_total", "Body bytes acknowledged, under Promtail's name.", host)
      .add(body_bytes);
}

void SinkMetrics::dropped(std::string_view reason, Volume v, const std::string& tenant) {
  leave(v);
  MetricLabels by_reason = labels("reason", reason);
  registry_.counter("skidway_agent_sink_dropped_entries_total", "Entries given up, by reason.", by_reason)
      .add(v.entries);
  registry_.counter("skidway_agent_sink_dropped_bytes_total", "Bytes of their lines, by reason.", by_reason)
      .add(v.bytes);
  std::string far = host();
  if (far.empty()) return;
  MetricLabels host{{"host", far}, {"reason", std::string(reason)}, {"tenant", tenant}};
  registry_.counter("promtail_dropped_entries_total", "Entries given up, under Promtail's name.", host).add(v.entries);
  registry_.counter("promtail_dropped_bytes_total", "Bytes given up, under Promtail's name.", host).add(v.bytes);
}

void SinkMetrics::request(int status, double seconds) {
  std::string code = status == 0 ? "none" : std::to_string(status);
  registry_
      .histogram("skidway_agent_sink_request_seconds",
                 "Time from a push request to its answer, by status (none: no answer).", pipeline::latency_buckets(),
                 labels("status", code))
      .observe(seconds);
  std::string far = host();
  if (far.empty()) return;
  registry_
      .histogram("promtail_request_duration_seconds", "Time of push requests, under Promtail's name.",
                 pipeline::latency_buckets(), {{"host", far}, {"status_code", status == 0 ? "-1" : code}})
      .observe(seconds);
}

void SinkMetrics::retry(const std::string& tenant) {
  retries_.add();
  std::string far = host();
  if (far.empty()) return;
  registry_
      .counter("promtail_batch_retries_total", "Requests repeated, under Promtail's name.",
               {{"host", far}, {"tenant", tenant}})
      .add();
}

void SinkMetrics::queued(int64_t batches, int64_t body_bytes) {
  queued_batches_.add(batches), queued_bytes_.add(body_bytes);
}

}  // namespace agent
