// ImpliedText: what a line must contain so that an equality behind `json` can hold: {...} | json | status="500" keeps
// no line without 500 in it, as a whole value. Looking for a text costs a fraction of parsing the line.
//
// Right only for entries that have no label of that name from elsewhere: applies_to() and no structured metadata.
// Thread: any (immutable).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/match/literal_search.h"
#include "pipeline/model/label_set.h"
#include "server/logql/syntax.h"

namespace server {

class ImpliedText {
 public:
  // Of the first such equality; nothing where there is none.
  static std::optional<ImpliedText> of(const std::vector<Stage>& stages);

  bool applies_to(const pipeline::LabelSet& stream) const { return !stream.get(name_); }
  // False: the equality does not hold, whatever the line's fields are.
  bool may_keep(std::string_view line) const;

 private:
  ImpliedText(const std::string& name, const std::string& value) : name_(name), value_(value), escape_("\\") {}

  std::string name_;
  pipeline::LiteralSearcher value_;
  pipeline::LiteralSearcher escape_;  // a value may be written with escapes
};

}  // namespace server
