#include "server/api/plan_json.h"

#include <charconv>

#include "pipeline/base/concat.h"
#include "server/api/loki_json.h"

namespace server {

using pipeline::concat;

namespace {

std::string seconds_text(double seconds) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, seconds, std::chars_format::fixed, 6).ptr);
}

std::string estimate_json(const PlanStep::Estimate& e) {
  return concat(R"({"objects":)", e.objects, R"(,"pages":)", e.pages, R"(,"entries":)", e.entries, R"(,"lineBytes":)",
                e.line_bytes, R"(,"headEntries":)", e.head_entries, R"(,"headLineBytes":)", e.head_line_bytes, "}");
}

std::string actual_json(const PlanStep& step) {
  const QueryStats& s = step.actual;
  return concat(R"({"objectsConsidered":)", s.objects_considered, R"(,"objectsOpened":)", s.objects_opened,
                R"(,"objectsSkippedByFilter":)", s.objects_skipped_by_filter, R"(,"streams":)", s.streams,
                R"(,"pagesRead":)", s.pages_read, R"(,"pagesSkippedByTime":)", s.pages_skipped_by_time,
                R"(,"pagesSkippedByFilter":)", s.pages_skipped_by_filter, R"(,"filterReads":)", s.filter_reads,
                R"(,"filterBytes":)", s.filter_bytes, R"(,"pagesSkippedByLimit":)", s.pages_skipped_by_limit,
                R"(,"pagesWithoutMatch":)", s.pages_without_match, R"(,"compressedBytes":)", s.compressed_bytes,
                R"(,"decompressedBytes":)", s.decompressed_bytes, R"(,"entries":)", s.store_lines, R"(,"lineBytes":)",
                s.store_line_bytes, R"(,"headEntries":)", s.head_lines, R"(,"headLineBytes":)", s.head_bytes,
                R"(,"entriesKept":)", s.lines_after_filters, R"(,"duplicates":)", s.duplicates, R"(,"seconds":)",
                seconds_text(step.seconds), "}");
}

std::string step_json(const PlanStep& step) {
  std::string columns;
  for (const std::string& column : step.columns) columns += concat(columns.empty() ? "" : ",", json_text(column));
  return concat(R"({"reads":)", json_text(step.reads), R"(,"expression":)", json_text(step.expression),
                R"(,"columns":[)", columns, R"(],"leadingFilters":)", json_text(step.leading_filters), R"(,"threads":)",
                step.threads, R"(,"estimated":)", estimate_json(step.estimated), R"(,"actual":)", actual_json(step),
                "}");
}

}  // namespace

std::string plan_json(const QueryPlan& plan) {
  std::string steps;
  for (const PlanStep& step : plan.steps) steps += concat(steps.empty() ? "" : ",", step_json(step));
  return concat(R"({"query":)", json_text(plan.query), R"(,"memoryPeakBytes":)", plan.memory_peak_bytes,
                R"(,"memoryLimitBytes":)", plan.memory_limit_bytes, R"(,"steps":[)", steps, "]}");
}

}  // namespace server
