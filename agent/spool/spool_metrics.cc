#include "agent/spool/spool_metrics.h"

#include <algorithm>

namespace agent {

using pipeline::MetricLabels;
using pipeline::MetricPage;
using pipeline::MetricType;
using pipeline::Registry;

SpoolMetrics::SpoolMetrics(Registry& r, const pipeline::Clock& clock, std::string sink)
    : registry_(r),
      sink_(std::move(sink)),
      bytes_(r.gauge("skidway_agent_spool_bytes", "Bytes of the spool on disk.", labels())),
      limit_(r.gauge("skidway_agent_spool_limit_bytes", "What they may be (spool.limit).", labels())),
      frames_(r.gauge("skidway_agent_spool_frames", "Spooled batches that wait to be sent.", labels())),
      entries_(r.gauge("skidway_agent_spool_entries", "Their entries.", labels())),
      appended_frames_(r.counter("skidway_agent_spool_appended_frames_total", "Batches spooled and synced.", labels())),
      appended_bytes_(r.counter("skidway_agent_spool_appended_bytes_total", "Bytes of these on disk.", labels())),
      failures_(r.counter("skidway_agent_spool_append_failures_total",
                          "Groups of batches that could not be written or synced.", labels())),
      drained_frames_(r.counter("skidway_agent_spool_drained_frames_total",
                                "Spooled batches that the far side has answered for good.", labels())),
      drained_entries_(r.counter("skidway_agent_spool_drained_entries_total", "Their entries.", labels())),
      corrupt_frames_(
          r.counter("skidway_agent_spool_corrupt_frames_total", "Damaged places in the spool, skipped.", labels())),
      append_seconds_(r.histogram("skidway_agent_spool_append_seconds", "Time to write and sync a group of batches.",
                                  pipeline::latency_buckets(), labels())) {
  for (const char* reason : {"corrupt", "spool_full", "spool_max_age"}) dropped(reason, {});  // there from the start
  age_ = r.collect([this, &clock](MetricPage& page) {
    auto oldest = oldest_.load();
    double age = oldest == 0 ? 0 : std::max(0.0, static_cast<double>(clock.wall() - oldest) / 1e9);
    page.add("skidway_agent_spool_oldest_age_seconds", "Age of the oldest spooled batch; 0: there is none.",
             MetricType::kGauge, labels(), age);
  });
}

MetricLabels SpoolMetrics::labels(std::string_view reason) const {
  MetricLabels out{{"sink", sink_}};
  if (!reason.empty()) out.emplace_back("reason", reason);
  return out;
}

void SpoolMetrics::appended(uint64_t frames, uint64_t bytes, double seconds) {
  appended_frames_.add(frames), appended_bytes_.add(bytes);
  append_seconds_.observe(seconds);
}

void SpoolMetrics::append_failed() { failures_.add(); }

void SpoolMetrics::drained(const SpoolVolume& v) { drained_frames_.add(v.frames), drained_entries_.add(v.entries); }

void SpoolMetrics::dropped(std::string_view reason, const SpoolVolume& v) {
  if (reason == "corrupt") corrupt_frames_.add(v.frames);
  registry_.counter("skidway_agent_spool_dropped_entries_total", "Spooled entries given up, by reason.", labels(reason))
      .add(v.entries);
}

void SpoolMetrics::holds(uint64_t bytes, const SpoolVolume& waiting, pipeline::UnixNanos oldest) {
  bytes_.set(static_cast<int64_t>(bytes));
  frames_.set(static_cast<int64_t>(waiting.frames));
  entries_.set(static_cast<int64_t>(waiting.entries));
  oldest_ = oldest;
}

}  // namespace agent
