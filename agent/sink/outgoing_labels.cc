#include "agent/sink/outgoing_labels.h"

namespace agent {

using pipeline::Label;
using pipeline::LabelSet;
using pipeline::LabelTable;

bool OutgoingLabels::renew(const LabelTable& table) {
  if (table_ == &table && generation_ == table.generation()) return false;
  table_ = &table, generation_ = table.generation();
  by_id_.clear();
  return true;
}

const OutgoingStream& OutgoingLabels::at(const LabelTable& table, LabelTable::Id id) {
  if (id >= by_id_.size()) by_id_.resize(id + 1);
  std::unique_ptr<OutgoingStream>& cached = by_id_[id];
  if (!cached) {
    const LabelSet& set = table.at(id);
    std::vector<Label> labels;
    for (auto& [name, value] : external_)
      if (!name.starts_with("__")) labels.emplace_back(name, value);
    for (const Label& label : set.labels())
      if (!label.first.starts_with("__")) labels.push_back(label);
    LabelSet outgoing = LabelSet::from(std::move(labels));  // of one name the last wins
    std::string text = outgoing.text();
    auto tenant = set.get("__tenant_id__");
    cached = std::make_unique<OutgoingStream>(OutgoingStream{
        std::move(outgoing), std::move(text), tenant && !tenant->empty() ? std::string(*tenant) : tenant_});
  }
  return *cached;
}

}  // namespace agent
