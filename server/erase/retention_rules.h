// RetentionRules: how long one tenant's entries are kept.
//
// Thread: any, read-only after compile(). Errors: kInvalid `invalid labels matchers: ...`, as Loki says it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/matcher.h"
#include "pipeline/model/label_set.h"
#include "server/limits/tenant_limits.h"

namespace server {

struct RetentionSettings {
  std::chrono::nanoseconds period{0};  // 0: for ever
  std::vector<StreamRetention> streams;
  bool operator==(const RetentionSettings&) const = default;
};

class RetentionRules {
 public:
  static pipeline::Result<RetentionRules> compile(const RetentionSettings& settings);

  // The highest priority wins, then the shortest period; no rule: the tenant's. 0: for ever.
  std::chrono::nanoseconds period_of(const pipeline::LabelSet& labels) const;
  std::chrono::nanoseconds shortest() const { return shortest_; }  // of all periods but 0; 0: there is none
  std::chrono::nanoseconds longest() const { return longest_; }    // 0: something is kept for ever
  bool by_stream() const { return !rules_.empty(); }

 private:
  struct Rule {
    std::vector<pipeline::Matcher> matchers;
    std::chrono::nanoseconds period{0};
  };
  std::vector<Rule> rules_;  // the first that matches wins
  std::chrono::nanoseconds period_{0}, shortest_{0}, longest_{0};
};

}  // namespace server
