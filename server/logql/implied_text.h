// ImpliedText: what a line must contain so that an equality behind a parser can hold: in `| json | level="error"` the
// text error, or a backslash, since that may hide it. Lines that lack it are dropped unread.
// Or whole pages at once.
//
// Only where the value can come from the line alone: the stages before are parsers, line filters and label filters, and
// neither the stream nor the entry's metadata has a label from which that name may come.
// Thread: any (immutable).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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

  bool applies_to(const pipeline::LabelSet& stream) const { return !stream.get(name_); }
  const std::string& label() const { return name_; }
  // The label may be metadata of this name: a pair that makes way for a label of the stream is called name_extracted.
  bool may_come_from(std::string_view metadata_name) const { return name_.starts_with(metadata_name); }
  // False: the equality does not hold, whatever the line's fields are.
  bool may_keep(std::string_view line, MetadataView metadata) const;

  // The same for many lines without such metadata, in one search over their text. False: none of them is kept.
  bool may_keep_any(std::string_view text) const { return value_.is_in(text) || escape_.is_in(text); }
  // Line k is text[ends[k - 1], ends[k]), the first begins at `begin`. Appends the numbers of those that may be kept.
  void select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows, uint32_t begin) const;

 private:
  ImpliedText(const std::string& name, const std::string& value, bool whole_words)
      : name_(name), value_(value), escape_("\\"), whole_words_(whole_words) {}
  bool is_in(std::string_view line) const;
  bool is_whole_word(std::string_view line, size_t at) const;

  std::string name_;
  pipeline::LiteralSearcher value_;
  pipeline::LiteralSearcher escape_;  // a value may be written with escapes
  bool whole_words_;                  // something that is no letter and no digit stands on either side of a value
};

}  // namespace server
