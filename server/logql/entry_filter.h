// EntryFilter: a label filter, compiled (logql.md 4.12).
//
// Thread: any (immutable). Errors: kInvalid: the text of IpFilter, where Loki refuses the query for it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "pipeline/match/ip_filter.h"
#include "pipeline/match/loose_texts.h"
#include "pipeline/match/matcher.h"
#include "server/logql/entry_labels.h"
#include "server/logql/syntax.h"

namespace server {

class EntryFilter {
 public:
  static pipeline::Result<EntryFilter> compile(const LabelFilter& filter);
  // A value that cannot be converted keeps the entry and sets __error__, unless that is set already.
  bool keeps(EntryLabels& labels) const;

  // Appends the names of the labels that the filter looks at.
  void append_label_names(std::vector<std::string>& names) const;
  bool has_address() const;  // anywhere in it

 private:
  explicit EntryFilter(const LabelFilter& filter) : filter_(filter) {}
  static pipeline::Result<EntryFilter> compile_part(const LabelFilter& filter, bool inside);
  bool matches(std::string_view value) const;
  bool keeps_converted(EntryLabels& labels) const;
  bool keeps_address(const EntryLabels& labels) const;

  LabelFilter filter_;  // without operands
  std::optional<pipeline::Matcher> matcher_;
  std::optional<pipeline::LooseTexts> loose_;  // instead of the matcher's expression
  std::optional<pipeline::IpFilter> ip_;
  std::vector<EntryFilter> operands_;
};

}  // namespace server
