// LabelTable: label sets met by one worker, interned, so that entries carry a 4-byte id and changing a label costs one
// look-up.
//
// Thread:  one (the worker that owns the sources).
// Limits:  grows with the cardinality of what passes; the owner calls clear() between batches when size() has become
// too large. Ids are
//          invalid after clear().
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/model/label_set.h"

namespace pipeline {

class LabelTable {
 public:
  using Id = uint32_t;

  Id intern(const LabelSet& set);
  const LabelSet& at(Id id) const { return sets_[id]; }
  const std::string& text(Id id) const { return texts_[id]; }  // the text form, made once

  // The set of `id` with `name` set to `value`, or without `name`. The last results are remembered: no allocation for a
  // change seen before.
  Id with(Id id, std::string_view name, std::string_view value);
  Id without(Id id, std::string_view name);

  size_t size() const { return sets_.size(); }
  void clear();
  uint64_t generation() const { return generation_; }  // raised by clear(): ids of another generation mean nothing

 private:
  Id remember(uint64_t change, LabelSet set);

  uint64_t generation_ = 0;
  std::deque<LabelSet> sets_;  // stable addresses
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, Id> by_text_;  // views into texts_
  std::unordered_multimap<uint64_t, Id> changes_;     // hash of (id, name, value) -> candidates, verified on use
};

}  // namespace pipeline
