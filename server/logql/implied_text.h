// ImpliedText: what a line must contain so that an equality behind a parser can hold: in `| json | level="error"` the
// text error, or a backslash, since that may hide it. Lines that lack it are dropped unread.
//
// Only where the value can come from the line alone: the stages before are parsers, line filters and label filters, and
// neither the stream nor the entry's metadata has a label from which that name may come.
// Thread: any (immutable).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/match/literal_search.h"
#include "pipeline/model/label_set.h"
#include "server/logql/syntax.h"
#include "server/store/columns.h"

namespace server {

// A value that stands in a line as it stands in a label: neither made from other bytes nor written in two ways without
// a backslash.
bool stays_as_written(std::string_view value);

class ImpliedText {
 public:
  // Of the equality with the longest value; nothing where there is none.
  static std::optional<ImpliedText> of(const std::vector<Stage>& stages);

  bool applies_to(const pipeline::LabelSet& stream) const;
  // False: the equality does not hold, whatever the line's fields are.
  bool may_keep(std::string_view line, MetadataView metadata) const;

 private:
  ImpliedText(const std::string& name, const std::string& value, bool whole_words)
      : name_(name), value_(value), escape_("\\"), whole_words_(whole_words) {}
  bool is_in(std::string_view line) const;

  std::string name_;
  pipeline::LiteralSearcher value_;
  pipeline::LiteralSearcher escape_;  // a value may be written with escapes
  bool whole_words_;                  // something that is no letter and no digit stands on either side of a value
};

}  // namespace server
