// Selection: what a query has to look at: the pages of objects and the runs of the head that hold entries of the
// selected streams in [begin, end), known from directories alone; no page has been read yet.
//
// Life:    belongs to one query; keeps what it points to alive.
// Thread:  one at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "pipeline/match/matcher.h"
#include "server/query/query_context.h"

namespace server {

// Pages of one object.
struct StoredPart {
  std::shared_ptr<const ObjectReader> object;
  StreamSet streams;
  std::vector<uint32_t> pages;  // rising
  bool hides = false;           // some entries of these streams may exist no more (hidden_rows.h)
};

// Entries of one stream of the head: sorted by time, equal ones once.
struct HeadPart {
  std::shared_ptr<const Stream> stream;
  std::shared_ptr<const void> owner;
  EntrySlice entries;  // not empty
};

struct Selection {
  pipeline::UnixNanos begin = 0, end = 0;                    // entries with begin <= time < end
  std::shared_ptr<const TenantErasures> erasures = nullptr;  // where a part hides entries
  std::vector<StoredPart> stored = {};
  std::vector<HeadPart> head = {};
};

// `matchers` are all to be met. Counts what was considered, opened and selected in the context's stats; objects that
// cannot be opened are warnings in it. Pages on which one of `conditions` cannot hold are left out, as far as substring
// filters know.
Selection select_parts(QueryContext& context, std::span<const pipeline::Matcher> matchers, pipeline::UnixNanos begin,
                       pipeline::UnixNanos end, std::span<const PageCondition> conditions = {});

// All of them match the labels of the stream.
bool matches_all(std::span<const pipeline::Matcher> matchers, const Stream& stream);

bool holds_tenant(const ObjectSummary& summary, std::string_view tenant);

// The warning that an answer carries for an object that could not be opened.
std::string unreadable_object(const pipeline::Error& error);

// Conditions for ObjectReader::select; `matchers` outlive them.
std::vector<LabelTest> label_tests(std::span<const pipeline::Matcher> matchers);

// Rows of `run` with begin <= time < end, given the times of its page.
struct RowRange {
  uint32_t first = 0, last = 0;  // last is excluded
  bool empty() const { return first >= last; }
};
RowRange rows_between(std::span<const pipeline::UnixNanos> page_times, const PageRun& run, pipeline::UnixNanos begin,
                      pipeline::UnixNanos end);

}  // namespace server
