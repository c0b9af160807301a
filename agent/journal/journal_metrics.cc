#include "agent/journal/journal_metrics.h"

namespace agent {

using pipeline::Registry;

JournalMetrics::JournalMetrics(Registry& registry, const std::string& source)
    : damaged_files(registry.counter("skidway_agent_journal_damaged_files_total",
                                     "Journal files that could not be read, or not to their end.",
                                     {{"source", source}})),
      cut_lines(registry.counter("skidway_agent_source_cut_lines_total", "Lines cut because of max_line_size.",
                                 {{"source", source}})),
      cut_bytes(registry.counter("skidway_agent_source_cut_bytes_total",
                                 "Bytes of lines that were cut because of max_line_size and dropped.",
                                 {{"source", source}})),
      open_files(registry.gauge("skidway_agent_source_open_files", "Files open for reading.", {{"source", source}})),
      lineages(registry.gauge("skidway_agent_journal_lineages",
                              "Journals read side by side: one for each journald that wrote the files.",
                              {{"source", source}})),
      registry_(registry),
      source_(source),
      promtail_lines_(registry.counter("promtail_journal_target_lines_total", "Journal entries that were handed on.",
                                       {{"source", source}})),
      loki_lines_(registry.counter("loki_source_journal_target_lines_total", "Journal entries that were handed on.",
                                   {{"source", source}})) {}

void JournalMetrics::line() {
  promtail_lines_.add();
  loki_lines_.add();
}

void JournalMetrics::parsing_error(const std::string& error) {
  for (const char* name :
       {"promtail_journal_target_parsing_errors_total", "loki_source_journal_target_parsing_errors_total"})
    registry_
        .counter(name, "Journal entries that could not be handed on, by reason.",
                 {{"error", error}, {"source", source_}})
        .add();
}

void JournalMetrics::skipped(const std::string& reason, uint64_t count) {
  registry_
      .counter("skidway_agent_journal_skipped_entries_total",
               "Entries behind the last one delivered that were not read: vacuumed before that, or older than max_age. "
               "Counted by sequence numbers, so with entries that no match wants.",
               {{"reason", reason}, {"source", source_}})
      .add(count);
}

}  // namespace agent
