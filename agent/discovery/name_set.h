// NameSet: the names of one file, sorted; nearly always one. Thread: one.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/shared_text.h"

namespace agent {

class NameSet {
 public:
  bool empty() const { return first_.empty() && !more_; }
  bool contains(const std::string& name) const;
  void insert(const pipeline::SharedText& name);  // not empty
  void erase(const std::string& name);

  auto begin() const { return names().begin(); }
  auto end() const { return names().end(); }

 private:
  std::span<const pipeline::SharedText> names() const {
    if (more_) return *more_;
    return {&first_, first_.empty() ? size_t{0} : size_t{1}};
  }

  pipeline::SharedText first_;                               // the only one; empty: there is none, or there are more_
  std::unique_ptr<std::vector<pipeline::SharedText>> more_;  // null: fewer than two
};

}  // namespace agent
