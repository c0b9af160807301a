#include "server/compact/delete_scan.h"

#include <algorithm>

namespace server {

using pipeline::Errc;
using pipeline::fail;

namespace {

bool touches(const DeleteRule& rule, const PageRun& run) {
  return run.max_time >= rule.begin && run.min_time < rule.end;
}

bool takes_all(const DeleteRule& rule, const PageRun& run) {
  return !rule.pipeline && rule.begin <= run.min_time && run.max_time < rule.end;
}

}  // namespace

Result<DeleteScan::Found> DeleteScan::look(const ObjectRow& row) {
  TRY_LET(auto object, ObjectReader::open(store_, row.key, row.summary.size, row.summary.footer_length));
  for (const std::string& tenant : object->tenants()) {
    const auto erasures = erasures_.of(tenant);
    for (const DeleteRule& rule : erasures->deletes()) {
      if (rule.number <= row.summary.deletes_applied) continue;
      TRY_LET(Found found, look_for(rule, object, tenant));
      if (found == Found::kSomething) return found;
    }
  }
  return Found::kNothing;
}

Result<DeleteScan::Found> DeleteScan::look_for(const DeleteRule& rule,
                                               const std::shared_ptr<const ObjectReader>& object,
                                               std::string_view tenant) {
  std::vector<LabelTest> tests;
  for (const pipeline::Matcher& matcher : rule.matchers)
    tests.push_back({matcher.name(), [&matcher](std::string_view value) { return matcher.matches(value); }});
  const StreamSet streams = object->select(tenant, tests);
  if (streams.empty()) return Found::kNothing;
  auto pages = object->pages_of(streams, rule.begin, rule.end);
  const bool all = std::any_of(pages.begin(), pages.end(), [&](uint32_t page) {
    const auto runs = object->runs(page);
    return std::any_of(runs.begin(), runs.end(), [&](const PageRun& run) {
      return streams.contains(run.stream) && touches(rule, run) && takes_all(rule, run);
    });
  });
  if (all) return Found::kSomething;
  FilterReads reads;
  pages = object->pages_with(rule.conditions, streams, std::move(pages), reads);
  PageCursor cursor(object, std::move(pages), 128 << 10);
  while (cursor.next()) {
    share_.breathe(cancelled_);
    if (cancelled_) return fail(Errc::kCancelled, "look for what is to be deleted: stopping");
    TRY_LET(Found found, look_at_page(rule, streams, cursor));
    if (found == Found::kSomething) return found;
  }
  return Found::kNothing;
}

Result<DeleteScan::Found> DeleteScan::look_at_page(const DeleteRule& rule, const StreamSet& streams,
                                                   PageCursor& cursor) {
  ++pages_read_;
  EntrySlice entries;
  if (rule.pipeline) {
    TRY_LET(std::string_view text, cursor.text());
    if (!rule.pipeline->leading().may_match(text)) return Found::kNothing;
    TRY_LET(entries, cursor.entries());
  } else {
    TRY_LET(entries.times, cursor.times());
  }
  LabelResults labels;
  for (const PageRun& run : cursor.object().runs(cursor.page())) {
    if (!streams.contains(run.stream) || !touches(rule, run)) continue;
    const LabelSet stream = cursor.object().labels(cursor.object().streams()[run.stream]);
    std::optional<PipelineRun> pipeline;
    if (rule.pipeline) pipeline.emplace(*rule.pipeline, labels).begin_stream(stream);
    for (uint32_t row = run.first_row; row < run.first_row + run.rows; ++row) {
      const UnixNanos time = entries.time(row);
      if (time < rule.begin || time >= rule.end) continue;
      if (!pipeline || pipeline->process(time, entries.line(row), entries.metadata(row))) return Found::kSomething;
    }
  }
  return Found::kNothing;
}

}  // namespace server
