// TextEffort: how hard the text of each page of an object that stays is compressed. To look for the best of many
// earlier places takes a seventh off lines whose fields come and go, and next to nothing off lines that repeat each
// other as they are. So a piece of a page is compressed both ways now and then, and the pages behind it are treated
// alike.
//
// Thread:  one.
// Cost:    an eighth of a page, both ways, for one page in 16; for one in 4 where each page is of another stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/store/page_codec.h"

namespace server {

class TextEffort {
 public:
  // For the next page; `stream` is that of its first line.
  PageEffort of(std::string_view text, uint64_t stream);

 private:
  bool pays(std::string_view piece);

  uint64_t stream_ = 0;  // that of the page looked at last
  size_t pages_ = 0;     // since then, that one included; 0: none was looked at yet
  PageEffort effort_ = PageEffort::kSmall;
  std::string scratch_;
};

}  // namespace server
