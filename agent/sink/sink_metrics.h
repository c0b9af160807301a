// SinkMetrics: what one sink counts. Entries and bytes (of lines) that came in are waiting, sent, or dropped by reason.
//
// Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "pipeline/base/metrics.h"

namespace agent {

class SinkMetrics {
 public:
  // `host`: of the sink's URL, the label of the names that Promtail dashboards use; may be empty.
  SinkMetrics(pipeline::Registry& registry, std::string sink, std::string host);

  pipeline::Registry& registry() { return registry_; }
  void set_host(std::string host);

  struct Volume {
    uint64_t entries = 0;
    uint64_t bytes = 0;  // of the lines
  };
  void take(Volume volume);                                                  // from a reader: it waits from now on
  void sent(Volume volume, uint64_t body_bytes, const std::string& tenant);  // waits no more
  void dropped(std::string_view reason, Volume volume, const std::string& tenant);  // likewise
  void rebuilt(Volume volume);                                                      // waits again, for an earlier run
  void leave(Volume volume);                 // waits no more: in the spool, or stays for the next start
  void come_back(Volume volume);             // from the spool: waits again
  void request(int status, double seconds);  // status 0: no answer
  void retry(const std::string& tenant);
  void split() { splits_.add(); }        // of a batch that was too large
  void hedged() { hedges_.add(); }       // a second request for the same batch
  void failover() { failovers_.add(); }  // another URL is used from now on
  void window(uint64_t requests) { window_.set(static_cast<int64_t>(requests)); }
  void dead_lettered(uint64_t entries) { dead_letters_.add(entries); }
  void dead_letter_failed() { dead_letter_failures_.add(); }
  void dead_letter_bytes(uint64_t bytes) { dead_letter_bytes_.set(static_cast<int64_t>(bytes)); }
  void dead_letters_removed(uint64_t bytes) { dead_letters_removed_.add(bytes); }
  void in_flight(int64_t batches) { in_flight_.set(batches); }
  void queued(int64_t batches, int64_t body_bytes);

 private:
  pipeline::MetricLabels labels(std::string_view name = {}, std::string_view value = {}) const;

  pipeline::Registry& registry_;
  std::string host() const;

  const std::string sink_;
  mutable std::mutex mutex_;
  std::string host_;  // under mutex_
  pipeline::Counter& in_entries_;
  pipeline::Counter& in_bytes_;
  pipeline::Counter& sent_entries_;
  pipeline::Counter& sent_bytes_;
  pipeline::Counter& sent_body_bytes_;
  pipeline::Counter& batches_;
  pipeline::Counter& rebuilt_;
  pipeline::Counter& retries_;
  pipeline::Gauge& waiting_entries_;
  pipeline::Gauge& waiting_bytes_;
  pipeline::Gauge& in_flight_;
  pipeline::Gauge& queued_batches_;
  pipeline::Gauge& queued_bytes_;
  pipeline::Counter& splits_;
  pipeline::Counter& hedges_;
  pipeline::Counter& failovers_;
  pipeline::Gauge& window_;
  pipeline::Counter& dead_letters_;
  pipeline::Counter& dead_letter_failures_;
  pipeline::Gauge& dead_letter_bytes_;
  pipeline::Counter& dead_letters_removed_;
};

}  // namespace agent
