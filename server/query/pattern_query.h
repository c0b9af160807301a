// The execution of a patterns query: templates of the lines that a log query selects, with counts by time.
//
// Each object is mined as a whole, and what it gave is noted (objects never change, so a note is never stale); only
// what is new is read the next time, and the head always. Of an object with more than kMinedBytes of selected lines
// every n-th page is looked at and counts n times. Equal entries that lie in several places count as often.
//
// Thread: a worker of the query pool.
// Errors: kInvalid (a pipeline that does not compile), kCancelled. Unreadable pages are warnings, and then no note is
//         made.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/logql/syntax.h"
#include "server/query/query_context.h"
#include "server/store/ulid.h"

namespace server {

inline constexpr uint64_t kMinedBytes = 64 << 20;
inline constexpr pipeline::UnixNanos kPatternResolution = 10'000'000'000;  // Loki's; steps below it are this
inline constexpr size_t kMaxPatterns = 300;

// Where results for single objects are kept. Thread: any. May lose or refuse anything.
class PatternNotes {
 public:
  virtual ~PatternNotes() = default;
  virtual std::optional<std::string> find(const Ulid& object, std::string_view kind) = 0;
  virtual void keep(const Ulid& object, std::string_view kind, std::string_view bytes) = 0;
};

struct PatternSeries {
  std::string text;
  std::string level;                                              // of detected_level: "info"; "unknown" without
  std::vector<std::pair<pipeline::UnixNanos, uint64_t>> samples;  // begin of the step, entries; rising
};

struct PatternWindow {
  pipeline::UnixNanos start = 0, end = 0;  // to the resolution
  pipeline::UnixNanos step = 0;            // > 0
};

// At most kMaxPatterns, the most frequent first.
pipeline::Result<std::vector<PatternSeries>> find_patterns(const LogExpr& expr, const PatternWindow& window,
                                                           PatternNotes& notes, QueryContext& context);

}  // namespace server
