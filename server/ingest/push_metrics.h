// PushMetrics: what came in and what was refused, under our names and Loki's.
#pragma once

#include "pipeline/base/metrics.h"
#include "server/ingest/pushed_entries.h"
#include "server/ingest/validation.h"

namespace server {

// Thread: any. Never counts per line.
class PushMetrics {
 public:
  explicit PushMetrics(pipeline::Registry& registry);

  void on_body(uint64_t bytes) { body_bytes_.add(bytes); }
  void on_stored(const std::string& tenant, uint64_t entries, uint64_t bytes);
  void on_refused(const std::string& tenant, const Rejections& rejections);
  void on_cut(const std::string& tenant, uint64_t lines, uint64_t bytes);  // max_line_size_truncate
  void on_too_large(const std::string& tenant, uint64_t bytes);
  void on_duplicate_batch() { duplicate_batches_.add(); }
  void on_held(size_t now) { held_.set(static_cast<int64_t>(now)); }
  void on_unavailable() { unavailable_.add(); }

 private:
  pipeline::Registry& registry_;
  pipeline::Counter& body_bytes_;
  pipeline::Counter& entries_;
  pipeline::Counter& bytes_;
  pipeline::Counter& duplicate_batches_;
  pipeline::Counter& unavailable_;
  pipeline::Gauge& held_;
};

}  // namespace server
