// Bookmark: how far a lineage of journal entries was delivered: the cursor of its last entry, and what its time needs
// to be the same after a restart.
//
// Entries have microseconds. Of those that follow each other in one microsecond the k-th (from 0) gets k nanoseconds
// more, so that equal lines stay several; `step` is the k of this entry. As text: libsystemd's cursor, and ";n=STEP"
// where that is not 0:  s=<lineage>;i=<sequence number>;b=<boot>;m=<us>;t=<us>;x=<hash>;n=2   (numbers hexadecimal)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agent {

struct Bookmark {
  std::string cursor;  // empty: none
  uint64_t step = 0;

  std::string text() const;
  static Bookmark parse(std::string_view text);
};

// A part of a cursor by its letter: cursor_part("s=ab;i=1", 'i') is "1"; empty where it is missing.
std::string_view cursor_part(std::string_view cursor, char letter);
uint64_t cursor_number(std::string_view cursor, char letter);  // 0 where it is missing or none

// Whether the cursors are of one entry, in whatever files its copies lie.
bool is_copy(std::string_view cursor, std::string_view other);

}  // namespace agent
