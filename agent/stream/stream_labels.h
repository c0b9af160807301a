// StreamLabels: the labels of a stream's entries: as discovered, then after the relabel rules and with those of the
// source.
//
// Thread: the reader's. Limits: forgets all it knows when there are too many sets.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "agent/source/source_options.h"
#include "pipeline/model/label_set.h"
#include "pipeline/model/label_table.h"

namespace agent {

class StreamLabels {
 public:
  using Id = pipeline::LabelTable::Id;

  explicit StreamLabels(std::shared_ptr<const SourceOptions> source) : source_(std::move(source)) {}
  void change(std::shared_ptr<const SourceOptions> source);

  // Makes room where there is none; true: ids given before mean nothing any more.
  bool renew();
  std::optional<Id> of(const pipeline::LabelSet& discovered);  // nothing: a rule drops it
  pipeline::LabelTable& table() { return table_; }

 private:
  struct Hash {
    size_t operator()(const pipeline::LabelSet& set) const;
  };
  std::shared_ptr<const SourceOptions> source_;
  pipeline::LabelTable table_;
  uint64_t generation_ = 0;
  std::unordered_map<pipeline::LabelSet, std::optional<Id>, Hash> known_;  // as discovered
};

}  // namespace agent
