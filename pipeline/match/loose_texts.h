// LooseTexts: Loki replaces the regular expressions of label filters by searches for texts where it can, and forgets on
// the way that they are anchored: `bar.*`, `.*bar` and `web-one|web-two` keep every value that contains bar, web-one or
// web-two. Dashboards rest on what that keeps, so we do the same (logql.md 4.12).
//
// What is replaced follows from Go's parser, which takes common beginnings of alternatives out: `one|two` stays
// anchored, `web-one|web-two` is web-(one|two).
// Thread: any (immutable).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/match/literal_search.h"
#include "pipeline/match/regex.h"

namespace pipeline {

class LooseTexts {
 public:
  // Nothing: the expression is matched as it is. `pattern` compiles; its dot is no newline.
  static std::optional<LooseTexts> of(std::string_view pattern);

  bool matches(std::string_view value) const;
  // Every value that matches contains one of these. Empty: unknown.
  std::vector<RequiredLiteral> required() const;

 private:
  enum class Where : uint8_t { kWhole, kInside };
  struct Text {
    LiteralSearcher searcher;
    Where where;
  };
  std::vector<Text> texts_;  // one of them
  bool any_ = false;         // every value
  bool not_empty_ = false;   // every value but the empty one
};

}  // namespace pipeline
