// PageCondition: what must be found on a page so that an entry of it can be in a query's answer, as far as the
// substring filter (page_filter.h) knows.
//
// Thread: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace server {

// In PageCondition::metadata: a name with whatever value. No value is empty.
inline constexpr std::string_view kAnyMetadataValue = "";

// One of these is true of each entry that passes.
struct PageCondition {
  std::vector<std::string> texts;                             // the line contains it; letters of any case
  bool or_backslash = false;                                  // the line has a backslash
  std::vector<std::pair<std::string, std::string>> metadata;  // the entry has this name with this value
  std::vector<std::string> not_with;  // entries of a stream that has one of these labels pass, whatever they hold
};

// What asking the filter has cost.
struct FilterReads {
  uint64_t ranges = 0;   // reads of the store
  uint64_t bytes = 0;    // fetched
  uint64_t damaged = 0;  // parts of a filter that could not be read or used
};

}  // namespace server
