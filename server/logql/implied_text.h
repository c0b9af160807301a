// ImpliedText: texts of which a line must contain one so that a filter behind a parser can hold: in
// `| json | level="error"` the text error, in `| logfmt | level=~"(error|fatal).*"` error or fatal; or a backslash,
// since that may hide them. Lines that lack them are dropped unread. Or whole pages at once.
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
#include "pipeline/match/regex.h"
#include "pipeline/model/label_set.h"
#include "server/logql/syntax.h"
#include "server/store/columns.h"

namespace server {

// As it stands in a line, so it stands in a label that a parser takes from there: neither made from other bytes nor
// written in two ways without a backslash, nor part of a list or an object, which may be written anew.
bool stays_as_written(std::string_view value);

// Texts of which each value contains one that a label filter keeps for `=~ pattern`. Empty: unknown.
std::vector<pipeline::RequiredLiteral> required_in_values(const std::string& pattern);

class ImpliedText {
 public:
  // Of the filter that says most; nothing where none says anything.
  static std::optional<ImpliedText> of(const std::vector<Stage>& stages);

  bool applies_to(const pipeline::LabelSet& stream) const;
  const std::vector<std::string>& labels() const { return labels_; }  // that the filter looks at
  // One of the labels may be metadata of this name: a pair that makes way for a label of the stream is called
  // name_extracted.
  bool may_come_from(std::string_view metadata_name) const;
  // False: the filter does not hold, whatever the line's fields are.
  bool may_keep(std::string_view line, MetadataView metadata) const;

  // The same for many lines without such metadata, in one search over their text. False: none of them is kept.
  bool may_keep_any(std::string_view text) const;
  // Line k is text[ends[k - 1], ends[k]), the first begins at `begin`. Appends the numbers of those that may be kept.
  void select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows, uint32_t begin) const;

 private:
  struct Text {
    pipeline::LiteralSearcher searcher;
    bool whole_word;  // something that is no letter and no digit stands on either side of it
    bool stands_at(std::string_view line, size_t at) const;
  };
  struct Implication;
  ImpliedText() = default;
  bool is_in(std::string_view line) const;

  std::vector<std::string> labels_;
  std::vector<Text> texts_;  // one of them; among them the backslash
};

}  // namespace server
