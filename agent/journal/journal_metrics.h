// JournalMetrics: what one journal source counts, under Promtail's, Alloy's and our names. Thread: any.
#pragma once

#include <string>

#include "pipeline/base/metrics.h"

namespace agent {

class JournalMetrics {
 public:
  JournalMetrics(pipeline::Registry& registry, const std::string& source);

  void line();
  void parsing_error(const std::string& error);  // "no_message", "damaged_entry", "empty_labels"
  void skipped(const std::string& reason,
               uint64_t count);  // entries that were not there to be read: "max_age", "vacuumed"

  pipeline::Counter& damaged_files;
  pipeline::Counter& cut_lines;
  pipeline::Counter& cut_bytes;
  pipeline::Gauge& open_files;
  pipeline::Gauge& lineages;

 private:
  pipeline::Registry& registry_;
  const std::string source_;
  pipeline::Counter& promtail_lines_;
  pipeline::Counter& loki_lines_;
};

}  // namespace agent
