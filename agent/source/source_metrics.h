// SourceMetrics: what one source counts. Thread: any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "pipeline/base/metrics.h"
#include "pipeline/stage/drop_counts.h"

namespace agent {

class PathMetrics;

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
  pipeline::Gauge& sleeping_files;
  pipeline::Gauge& lag_bytes;
  pipeline::Gauge& owed_bytes;
  pipeline::Gauge& held_bytes;
  pipeline::Counter& handed_on_early;

  // Unread bytes of a deleted file that was released, which are lost. Counted by file, too, for the first thousand
  // files.
  void add_released(std::string_view path, uint64_t bytes);

  // Of the file at `path`: with series of its own while less than kMostPaths others have that, else shared. Thread:
  // one.
  std::shared_ptr<PathMetrics> of_path(std::string_view path);
  std::shared_ptr<PathMetrics> other_paths();  // the shared one

  // Adds what the stages counted, and resets it. Thread: one.
  void add(pipeline::DropCounts& drops);

 private:
  static constexpr size_t kMostPaths =
      1000;  // three series each: some 2 KiB, and as much for each who asks for metrics

  pipeline::Registry& registry_;
  const std::string source_;
  const std::shared_ptr<size_t> paths_ = std::make_shared<size_t>(0);  // that have series of their own
  std::shared_ptr<PathMetrics> other_paths_;
  pipeline::Counter& released_bytes_;
  pipeline::Counter& released_files_;
  std::set<std::string, std::less<>> released_paths_;
  pipeline::Counter& cri_flushed_;
  pipeline::Counter& cri_truncated_;
  std::map<std::string, std::pair<pipeline::Counter*, pipeline::Counter*>> dropped_;  // by reason: lines, bytes
};

// What Promtail's dashboards look at, by path. The files of one lineage share one path and one object; the series end
// with it. Those beyond the first thousand share `(others)`, which stays.
class PathMetrics {
 public:
  // `live`: counts those with series of their own; null: the others.
  PathMetrics(pipeline::Registry& registry, const std::string& source, const std::string& path,
              std::shared_ptr<size_t> live);
  ~PathMetrics();
  PathMetrics(const PathMetrics&) = delete;
  PathMetrics& operator=(const PathMetrics&) = delete;

 private:
  pipeline::Registry& registry_;
  const std::shared_ptr<size_t> live_;
  const pipeline::MetricLabels labels_;
  pipeline::Gauge& file_bytes_;

 public:
  pipeline::Counter& read_bytes;
  pipeline::Counter& read_lines;

  bool is_shared() const { return live_ == nullptr; }
  // `counted`: what of a file is in the gauge.
  void set_size(uint64_t& counted, uint64_t bytes);
  void leave(uint64_t counted);  // a file is followed no more
};

}  // namespace agent
