// What a tail sends: Loki's JSON, entry by entry (facts: Loki 3.x HTTP API).
//
//   {"streams":[{"stream":{"app":"api"},"values":[["1700000000000000001","line"]]}],
//    "dropped_entries":[{"timestamp":"1700000000000000000","labels":{"app":"api"}}],"encodingFlags":["categorize-labels"]}
//
// Legacy (/api/prom/tail):
//   {"streams":[{"labels":"{app=\"api\"}","entries":[{"ts":"2026-11-01T10:00:00Z","line":"line"}]}],"dropped_entries":[...]}
// Thread: any.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/label_set.h"

namespace server {

// One entry as it will be sent: a stream object with one value.
struct TailEntry {
  pipeline::UnixNanos time = 0;
  std::string text;
  uint32_t labels_begin = 0, labels_size = 0;  // where in `text` its labels are

  std::string_view labels() const { return std::string_view(text).substr(labels_begin, labels_size); }
};

// What a client has missed.
struct DroppedEntry {
  pipeline::UnixNanos time = 0;
  std::string labels;  // as in TailEntry
};

class TailFormat {
 public:
  TailFormat(bool legacy, std::vector<std::string> flags);

  // `metadata` and `parsed` are shown where the client asked to have labels categorised.
  TailEntry entry(pipeline::UnixNanos time, std::string_view line, const std::vector<pipeline::Label>& labels,
                  const std::vector<pipeline::Label>& metadata, const std::vector<pipeline::Label>& parsed) const;
  std::string frame(std::span<const TailEntry> entries, std::span<const DroppedEntry> dropped) const;

 private:
  const bool legacy_;
  const std::vector<std::string> flags_;
  const bool categorized_;
};

}  // namespace server
