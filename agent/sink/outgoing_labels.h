// OutgoingLabels: what is left of an entry's label set when it leaves the agent, made once per label set.
//
// External labels are added under the entry's own (an entry label of the same name wins); labels starting with __ never
// leave; __tenant_id__, before it goes, names the tenant.
// Thread: one (the port's).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/model/label_table.h"

namespace agent {

struct OutgoingStream {
  pipeline::LabelSet labels;
  std::string text;  // the text form of `labels`
  std::string tenant;
};

class OutgoingLabels {
 public:
  OutgoingLabels(std::map<std::string, std::string> external, std::string tenant)
      : external_(std::move(external)), tenant_(std::move(tenant)) {}

  // To be asked before the ids of a batch are used: true: the ids of before mean nothing any more, and references given
  // out are gone.
  bool renew(const pipeline::LabelTable& table);
  // Holds until renew() says true.
  const OutgoingStream& at(const pipeline::LabelTable& table, pipeline::LabelTable::Id id);

 private:
  const std::map<std::string, std::string> external_;
  const std::string tenant_;
  const pipeline::LabelTable* table_ = nullptr;
  uint64_t generation_ = 0;
  std::deque<std::unique_ptr<OutgoingStream>> by_id_;
};

}  // namespace agent
