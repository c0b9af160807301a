#include "agent/source/source_metrics.h"

#include "agent/source/path_text.h"

namespace agent {

using pipeline::DropCounts;
using pipeline::Registry;

SourceMetrics::SourceMetrics(Registry& registry, const std::string& source)
    : read_bytes(registry.counter("skidway_agent_source_read_bytes_total", "Bytes read from the source's input.",
                                  {{"source", source}})),
      read_lines(registry.counter("skidway_agent_source_read_lines_total", "Lines read from the source's input.",
                                  {{"source", source}})),
      rotations(registry.counter("skidway_agent_source_rotations_total", "Files that were renamed while being read.",
                                 {{"source", source}})),
      truncations(registry.counter("skidway_agent_source_truncations_total",
                                   "Files that became shorter and are read from their beginning again.",
                                   {{"source", source}})),
      cut_lines(registry.counter("skidway_agent_source_cut_lines_total", "Lines cut because of max_line_size.",
                                 {{"source", source}})),
      cut_bytes(registry.counter("skidway_agent_source_cut_bytes_total",
                                 "Bytes of lines that were cut because of max_line_size and dropped.",
                                 {{"source", source}})),
      lost_bytes(registry.counter("skidway_agent_source_lost_bytes_total",
                                  "Bytes of unacknowledged batches that could not be read again after a restart.",
                                  {{"source", source}})),
      read_errors(registry.counter("skidway_agent_source_read_errors_total", "Reads that failed and are tried again.",
                                   {{"source", source}})),
      broken_gzip(registry.counter("skidway_agent_source_broken_gzip_files_total",
                                   "Compressed files that were damaged or cut short; what followed is lost.",
                                   {{"source", source}})),
      open_files(registry.gauge("skidway_agent_source_open_files", "Files open for reading.", {{"source", source}})),
      sleeping_files(registry.gauge("skidway_agent_source_sleeping_files",
                                    "Of those, files that are read and quiet: they take a hundred bytes or so each.",
                                    {{"source", source}})),
      lag_bytes(registry.gauge("skidway_agent_source_lag_bytes", "Bytes written to files and not read yet.",
                               {{"source", source}})),
      owed_bytes(registry.gauge("skidway_agent_source_owed_bytes",
                                "Bytes of lines read for some sinks, to be read again for one that was full.",
                                {{"source", source}})),
      held_bytes(registry.gauge("skidway_agent_source_held_bytes",
                                "Memory that stages take for entries they hold (multiline, dedup).",
                                {{"source", source}})),
      handed_on_early(registry.counter("skidway_agent_source_held_entries_early_total",
                                       "Times that stages handed on early what they held, because of memory_limit.",
                                       {{"source", source}})),
      registry_(registry),
      source_(source),
      released_bytes_(registry.counter("skidway_agent_source_released_bytes_total",
                                       "Unread bytes of deleted files given up because of hold_deleted_bytes.",
                                       {{"source", source}})),
      released_files_(registry.counter("skidway_agent_source_released_files_total",
                                       "Deleted files with unread bytes given up because of hold_deleted_bytes.",
                                       {{"source", source}})),
      cri_flushed_(registry.counter("loki_process_cri_partial_lines_flushed_total",
                                    "Partial CRI lines handed on without their end.", {{"source", source}})),
      cri_truncated_(registry.counter("loki_process_cri_lines_truncated_total",
                                      "CRI lines cut because of max_partial_line_size.", {{"source", source}})) {}

void SourceMetrics::add_released(std::string_view path, uint64_t bytes) {
  constexpr size_t kMostSeries = 1000;
  released_bytes_.add(bytes);
  released_files_.add();
  const bool named = released_paths_.contains(path) || released_paths_.size() < kMostSeries;
  if (named) released_paths_.emplace(path);
  registry_
      .counter("skidway_agent_file_lost_bytes_total", "Bytes of a file that were lost, by file and reason.",
               {{"path", named ? path_text(path) : "(others)"}, {"reason", "hold_deleted_bytes"}, {"source", source_}})
      .add(bytes);
}

std::shared_ptr<PathMetrics> SourceMetrics::of_path(std::string_view path) {
  if (*paths_ < kMostPaths) return std::make_shared<PathMetrics>(registry_, source_, path_text(path), paths_);
  return other_paths();
}

std::shared_ptr<PathMetrics> SourceMetrics::other_paths() {
  if (!other_paths_) other_paths_ = std::make_shared<PathMetrics>(registry_, source_, "(others)", nullptr);
  return other_paths_;
}

void SourceMetrics::add(DropCounts& drops) {
  for (const DropCounts::Count& count : drops.counts()) {
    if (count.lines == 0) continue;
    auto [it, fresh] = dropped_.try_emplace(count.reason);
    if (fresh) {
      pipeline::MetricLabels labels{{"reason", count.reason}, {"source", source_}};
      it->second = {
          &registry_.counter("skidway_agent_dropped_lines_total", "Lines given up on purpose.", labels),
          &registry_.counter("skidway_agent_dropped_bytes_total", "Bytes of lines given up on purpose.", labels)};
    }
    it->second.first->add(count.lines);
    it->second.second->add(count.bytes);
  }
  cri_flushed_.add(drops.cri_partials_flushed);
  cri_truncated_.add(drops.cri_lines_truncated);
  drops.reset();
}

PathMetrics::PathMetrics(Registry& registry, const std::string& source, const std::string& path,
                         std::shared_ptr<size_t> live)
    : registry_(registry),
      live_(std::move(live)),
      labels_({{"path", path}, {"source", source}}),
      file_bytes_(registry.gauge("promtail_file_bytes_total", "Size of the file.", labels_)),
      read_bytes(registry.counter("promtail_read_bytes_total", "Bytes read from the file.", labels_)),
      read_lines(registry.counter("promtail_read_lines_total", "Lines read from the file.", labels_)) {
  if (live_) ++*live_;
}

void PathMetrics::set_size(uint64_t& counted, uint64_t bytes) {
  if (live_)
    file_bytes_.set(static_cast<int64_t>(bytes));
  else
    file_bytes_.add(static_cast<int64_t>(bytes) - static_cast<int64_t>(counted));
  counted = bytes;
}

void PathMetrics::leave(uint64_t counted) {
  if (!live_) file_bytes_.add(-static_cast<int64_t>(counted));
}

PathMetrics::~PathMetrics() {
  if (!live_) return;  // another worker's files may be among the others
  --*live_;
  for (const char* name : {"promtail_read_bytes_total", "promtail_read_lines_total", "promtail_file_bytes_total"}) {
    registry_.remove(name, labels_);
  }
}

}  // namespace agent
