// Pushes for tests of tails: streams and decoded entries in a few words. For tests only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/ingest/pushed_entries.h"

namespace server {

inline std::shared_ptr<const Stream> stream_of(std::string tenant, std::vector<pipeline::Label> labels) {
  return Stream::make(tenant, pipeline::LabelSet::from(std::move(labels)));
}

// One push of one stream; every entry with the metadata trace="1".
inline PushedEntries push_of(std::shared_ptr<const Stream> stream,
                             const std::vector<std::pair<int64_t, std::string>>& entries) {
  PushedEntries out;
  pipeline::UnixNanos min = INT64_MAX, max = INT64_MIN;
  for (const auto& [time, line] : entries) {
    const MetadataPair trace{"trace", "1"};
    out.columns.append(time, line, std::span(&trace, 1));
    min = std::min(min, time), max = std::max(max, time);
  }
  out.parts.push_back({std::move(stream), 0, static_cast<uint32_t>(out.columns.size()), min, max});
  return out;
}

}  // namespace server
