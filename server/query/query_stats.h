// QueryStats: what a query cost, counted where the work is done. True numbers, never estimates.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace server {

struct QueryStats {
  // The store: pages of objects.
  uint64_t objects_considered = 0;         // overlapping the query's time range
  uint64_t objects_opened = 0;             // with at least one stream of the selector
  uint64_t objects_skipped_by_filter = 0;  // by their id set: nothing else of them was looked at
  uint64_t pages_read = 0;                 // of any column
  // Pages of selected streams of which not everything was read, and why.
  uint64_t pages_skipped_by_time = 0;    // outside the query's time range: nothing was read
  uint64_t pages_skipped_by_filter = 0;  // by the substring filter: nothing was read
  uint64_t pages_skipped_by_limit = 0;   // nothing in them could be among the first `limit` entries: nothing was read
  uint64_t pages_without_match = 0;      // no filter can hold on them: only their text was read and searched
  uint64_t filter_reads = 0;             // ranges of substring filters read
  uint64_t filter_bytes = 0;             // of them, not counted elsewhere
  uint64_t filters_damaged = 0;          // parts of them that could not be used: their pages were read
  uint64_t compressed_bytes = 0;         // read from the store
  uint64_t decompressed_bytes = 0;       // of all columns
  uint64_t metadata_bytes = 0;           // of these: structured metadata
  uint64_t store_lines = 0;              // entries looked at (also where only times were read)
  uint64_t store_line_bytes = 0;         // line bytes looked at
  // The head: entries not flushed yet.
  uint64_t head_streams = 0;
  uint64_t head_lines = 0;
  uint64_t head_bytes = 0;
  // Both.
  uint64_t lines_after_filters = 0;
  uint64_t duplicates = 0;  // equal entries met twice and counted once
  uint64_t streams = 0;     // selected
  uint64_t entries_returned = 0;
  // The results cache: whether it was asked, and what came of it.
  uint64_t results_asked = 0, results_found = 0, results_kept = 0, results_bytes = 0;
  double queue_seconds = 0, exec_seconds = 0;

  uint64_t pages_skipped() const { return pages_skipped_by_time + pages_skipped_by_filter + pages_skipped_by_limit; }

  // Adds, takes away the counts of a part of the work (not the times).
  void add(const QueryStats& part) {
    for (auto count : counts()) this->*count += part.*count;
  }
  void subtract(const QueryStats& part) {
    for (auto count : counts()) this->*count -= part.*count;
  }

 private:
  static std::initializer_list<uint64_t QueryStats::*> counts() {
    static constexpr std::initializer_list<uint64_t QueryStats::*> kCounts = {&QueryStats::objects_considered,
                                                                              &QueryStats::objects_opened,
                                                                              &QueryStats::objects_skipped_by_filter,
                                                                              &QueryStats::pages_read,
                                                                              &QueryStats::pages_skipped_by_time,
                                                                              &QueryStats::pages_skipped_by_filter,
                                                                              &QueryStats::filter_reads,
                                                                              &QueryStats::filter_bytes,
                                                                              &QueryStats::filters_damaged,
                                                                              &QueryStats::pages_skipped_by_limit,
                                                                              &QueryStats::pages_without_match,
                                                                              &QueryStats::compressed_bytes,
                                                                              &QueryStats::decompressed_bytes,
                                                                              &QueryStats::metadata_bytes,
                                                                              &QueryStats::store_lines,
                                                                              &QueryStats::store_line_bytes,
                                                                              &QueryStats::head_streams,
                                                                              &QueryStats::head_lines,
                                                                              &QueryStats::head_bytes,
                                                                              &QueryStats::lines_after_filters,
                                                                              &QueryStats::duplicates,
                                                                              &QueryStats::streams,
                                                                              &QueryStats::entries_returned,
                                                                              &QueryStats::results_asked,
                                                                              &QueryStats::results_found,
                                                                              &QueryStats::results_kept,
                                                                              &QueryStats::results_bytes};
    return kCounts;
  }
};

}  // namespace server
