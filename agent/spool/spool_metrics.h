// SpoolMetrics: what one spool counts. Thread: any.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/spool/spool_log.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"

namespace agent {

class SpoolMetrics {
 public:
  SpoolMetrics(pipeline::Registry& registry, const pipeline::Clock& clock, std::string sink);

  void appended(uint64_t frames, uint64_t bytes, double sync_seconds);
  void append_failed();
  void drained(const SpoolVolume& volume);
  void dropped(std::string_view reason, const SpoolVolume& volume);
  void holds(uint64_t bytes, const SpoolVolume& waiting, pipeline::UnixNanos oldest);  // oldest 0: empty
  void limit(uint64_t bytes) { limit_.set(static_cast<int64_t>(bytes)); }

 private:
  pipeline::MetricLabels labels(std::string_view reason = {}) const;

  pipeline::Registry& registry_;
  const std::string sink_;
  pipeline::Gauge& bytes_;
  pipeline::Gauge& limit_;
  pipeline::Gauge& frames_;
  pipeline::Gauge& entries_;
  pipeline::Counter& appended_frames_;
  pipeline::Counter& appended_bytes_;
  pipeline::Counter& failures_;
  pipeline::Counter& drained_frames_;
  pipeline::Counter& drained_entries_;
  pipeline::Counter& corrupt_frames_;
  pipeline::Histogram& append_seconds_;
  std::atomic<pipeline::UnixNanos> oldest_{0};
  std::unique_ptr<pipeline::Registry::Collector> age_;
};

}  // namespace agent
