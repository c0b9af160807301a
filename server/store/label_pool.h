// LabelPool: the label names and values of an object being written, each once; numbered as they come, and in the order
// of the directory at the end. Some 45 bytes for each distinct value, with its text.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/model/label_set.h"
#include "server/store/object_directory.h"

namespace server {

class LabelPool {
 public:
  // Appends the provisional numbers of the values.
  void add(const pipeline::LabelSet& labels, std::vector<uint32_t>& out);

  // Gives its texts to the directory: names, values and text of it, and its labels numbered anew. Leaves it empty.
  void sort_into(ObjectDirectory& directory);

 private:
  struct Value {
    uint32_t begin = 0, length = 0;  // in text_
    uint32_t name = 0;               // in names_
  };
  struct Name {
    std::string text;
    uint32_t values = 0;
    uint32_t last = 0;  // value: often the same again
  };
  uint32_t name_number(std::string_view name);
  uint32_t value_number(uint32_t name, std::string_view value);
  void grow();
  std::string_view view(const Value& value) const { return std::string_view(text_).substr(value.begin, value.length); }

  std::vector<Name> names_;  // few
  std::vector<Value> values_;
  std::string text_;
  std::vector<uint32_t> slots_;  // of values, by the hash of name and value; number + 1, 0: free
};

}  // namespace server
