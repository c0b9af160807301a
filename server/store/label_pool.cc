#include "server/store/label_pool.h"

#include <algorithm>
#include <numeric>

#include "pipeline/base/hash.h"

namespace server {

void LabelPool::add(const pipeline::LabelSet& labels, std::vector<uint32_t>& out) {
  for (const auto& [name, value] : labels.labels()) {
    const uint32_t number = name_number(name);
    Name& of = names_[number];
    if (of.values == 0 || view(values_[of.last]) != value) of.last = value_number(number, value);
    out.push_back(of.last);
  }
}

uint32_t LabelPool::name_number(std::string_view name) {
  auto found = std::find_if(names_.begin(), names_.end(), [&](const Name& known) { return known.text == name; });
  if (found == names_.end()) found = names_.insert(found, {std::string(name)});
  return static_cast<uint32_t>(found - names_.begin());
}

uint32_t LabelPool::value_number(uint32_t name, std::string_view value) {
  if (slots_.size() < 2 * (values_.size() + 1)) grow();
  const size_t mask = slots_.size() - 1;
  for (size_t at = pipeline::hash64(value, name) & mask;; at = (at + 1) & mask) {
    uint32_t& slot = slots_[at];
    if (slot == 0) {
      values_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(value.size()), name});
      text_ += value;
      ++names_[name].values;
      slot = static_cast<uint32_t>(values_.size());
      return slot - 1;
    }
    const Value& known = values_[slot - 1];
    if (known.name == name && view(known) == value) return slot - 1;
  }
}

void LabelPool::grow() {
  constexpr size_t kFirstSlots = 64;
  slots_.assign(std::max(kFirstSlots, 2 * slots_.size()), 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t number = 0; number < values_.size(); ++number) {
    size_t at = pipeline::hash64(view(values_[number]), values_[number].name) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = number + 1;
  }
}

void LabelPool::sort_into(ObjectDirectory& directory) {
  slots_ = {};
  std::vector<uint32_t> name_order(names_.size()), order(values_.size());
  std::iota(name_order.begin(), name_order.end(), 0U);
  std::sort(name_order.begin(), name_order.end(),
            [&](uint32_t a, uint32_t b) { return names_[a].text < names_[b].text; });
  std::vector<uint32_t> name_rank(names_.size());
  for (uint32_t rank = 0; rank < name_order.size(); ++rank) name_rank[name_order[rank]] = rank;
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const Value &left = values_[a], &right = values_[b];
    return left.name == right.name ? view(left) < view(right) : name_rank[left.name] < name_rank[right.name];
  });

  std::vector<uint32_t> rank(values_.size());
  directory.values.reserve(values_.size());
  for (uint32_t number : order) {
    rank[number] = static_cast<uint32_t>(directory.values.size());
    directory.values.push_back({values_[number].begin, values_[number].length});
  }
  for (uint32_t& label : directory.labels) label = rank[label];
  values_ = {};
  directory.text = std::move(text_);
  uint32_t first = 0;
  for (uint32_t number : name_order) {
    const Name& name = names_[number];
    directory.names.push_back({directory.add_text(name.text), first, name.values});
    first += name.values;
  }
  names_.clear();
}

}  // namespace server
