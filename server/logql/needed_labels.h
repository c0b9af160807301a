// NeededLabels: which labels parsers must extract (logql.md 6.9), and when they may stop reading a line.
//
// Thread: any (immutable).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/logql/syntax.h"

namespace server {

// What the stages look at.
struct LabelDemand {
  std::vector<std::string> names;
  bool all = false;            // a template looks at everything
  bool errors_decide = false;  // an address filter, which keeps whatever has an error
};

class NeededLabels {
 public:
  NeededLabels(const LabelDemand& demand, const LabelUse& use);
  // Only what decides whether an entry is kept, what its line is and its value. Everything, where errors decide too.
  static NeededLabels to_decide(const LabelDemand& demand);

  bool all() const { return all_; }
  // Parsers need not run at all.
  bool none() const { return !all_ && names_.empty(); }
  bool has(std::string_view name) const;
  // False: no field of this ASCII name becomes a needed label, however it has to be written to be one
  // (sanitise_label_name keeps its length, but for a _ before a digit). Cheaper than has().
  bool may_become_one(std::string_view field) const {
    const uint64_t length = uint64_t{1} << (field.size() & 63);
    return ((length | (length << 1 | length >> 63)) & lengths_) != 0;
  }
  // Sorted; each name also without _extracted.
  const std::vector<std::string>& names() const { return names_; }
  uint64_t mask() const { return mask_; }  // EntryLabels::mask_of all of them
  // The query asks for __error__: entries that parsers fail on are counted instead of failing the query.
  bool preserves_errors() const { return preserves_errors_; }

 private:
  bool all_ = true;
  bool preserves_errors_ = false;
  std::vector<std::string> names_;
  uint64_t mask_ = 0;
  uint64_t lengths_ = ~uint64_t{0};  // a bit for each length of a name, modulo 64
};

}  // namespace server
