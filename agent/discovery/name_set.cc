#include "agent/discovery/name_set.h"

#include <algorithm>
#include <utility>

namespace agent {

using pipeline::SharedText;

bool NameSet::contains(const std::string& name) const {
  return std::any_of(begin(), end(), [&](const SharedText& other) { return other.str() == name; });
}

void NameSet::insert(const SharedText& name) {
  if (contains(name)) return;
  if (empty()) {
    first_ = name;
    return;
  }
  if (!more_) more_ = std::make_unique<std::vector<SharedText>>(1, std::exchange(first_, {}));
  more_->insert(std::upper_bound(more_->begin(), more_->end(), name), name);
}

void NameSet::erase(const std::string& name) {
  if (!more_) {
    if (first_.str() == name) first_ = {};
    return;
  }
  std::erase_if(*more_, [&](const SharedText& other) { return other.str() == name; });
  if (more_->size() > 1) return;
  first_ = more_->empty() ? SharedText() : more_->front();
  more_.reset();
}

}  // namespace agent
