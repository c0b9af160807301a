// SourceMetrics: what one source counts. Thread: any.
#pragma once

#include <map>
#include <set>
#include <string>

#include "pipeline/base/metrics.h"
#include "pipeline/stage/drop_counts.h"

namespace agent {

class SourceMetrics {
 public:
  SourceMetrics(pipeline::Registry& registry, const std::string& source);

  pipeline::Counter& read_bytes;
  pipeline::Counter& read_lines;
  pipeline::Counter& rotations;
  pipeline::Counter& truncations;
  pipeline::Counter& cut_lines;
  pipeline::Counter& cut_bytes;
  pipeline::Counter& lost_bytes;
  pipeline::Counter& read_errors;
  pipeline::Counter& broken_gzip;
  pipeline::Gauge& open_files;
  pipeline::Gauge& lag_bytes;
  pipeline::Gauge& owed_bytes;

  // Unread bytes of a deleted file that was released, which are lost. Counted by file, too, for the first thousand
  // files.
  void add_released(const std::string& path, uint64_t bytes);

  // Adds what the stages counted, and resets it. Thread: one.
  void add(pipeline::DropCounts& drops);

 private:
  pipeline::Registry& registry_;
  const std::string source_;
  pipeline::Counter& released_bytes_;
  pipeline::Counter& released_files_;
  std::set<std::string> released_paths_;
  pipeline::Counter& cri_flushed_;
  pipeline::Counter& cri_truncated_;
  std::map<std::string, std::pair<pipeline::Counter*, pipeline::Counter*>> dropped_;  // by reason: lines, bytes
};

// What Promtail's dashboards look at, by path. The files of one lineage share one path and one object; the series end
// with it. Thread: any.
class PathMetrics {
 public:
  PathMetrics(pipeline::Registry& registry, const std::string& source, const std::string& path);
  ~PathMetrics();
  PathMetrics(const PathMetrics&) = delete;
  PathMetrics& operator=(const PathMetrics&) = delete;

 private:
  pipeline::Registry& registry_;
  const pipeline::MetricLabels labels_;

 public:
  pipeline::Counter& read_bytes;
  pipeline::Counter& read_lines;
  pipeline::Gauge& file_bytes;
};

}  // namespace agent
