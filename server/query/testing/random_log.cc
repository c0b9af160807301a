#include "server/query/testing/random_log.h"

#include <algorithm>
#include <doctest/doctest.h>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::LabelSet;
using pipeline::UnixNanos;

std::string shown_entry(const LabelSet& labels, std::string_view line) {
  return pipeline::concat(labels.text(), " ", line);
}

void check_entries(const ResultStreams& streams, const ShownEntries& all, const RangeQuery& query) {
  const bool backward = query.log.direction == Direction::kBackward;
  ShownEntries got;
  for (const ResultStream& stream : streams) {
    for (size_t i = 0; i < stream.entries.size(); ++i) {
      got.emplace(stream.entries[i].time, shown_entry(stream.labels, stream.entries[i].line));
      if (i == 0) continue;
      UnixNanos before = stream.entries[i - 1].time, time = stream.entries[i].time;
      CHECK((backward ? before >= time : before <= time));
    }
  }
  REQUIRE(got.size() == std::min<size_t>(all.size(), query.log.limit));
  if (got.empty()) return;
  const UnixNanos last = backward ? got.begin()->first : got.rbegin()->first;
  auto texts = [](const ShownEntries& from, auto&& take) {
    std::vector<std::pair<UnixNanos, std::string>> out;
    for (const auto& entry : from) {
      if (take(entry.first)) out.emplace_back(entry);
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  auto better = [&](UnixNanos time) { return backward ? time > last : time < last; };
  CHECK(texts(got, better) == texts(all, better));
  auto at_last = texts(all, [&](UnixNanos time) { return time == last; });
  auto shown_last = texts(got, [&](UnixNanos time) { return time == last; });
  CHECK(std::includes(at_last.begin(), at_last.end(), shown_last.begin(), shown_last.end()));
}

}  // namespace server
