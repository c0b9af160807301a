// LiteralSearcher: finds a fixed text in large pages at memory speed: AVX2 where the CPU has it, else SSE2. It compares
// the two bytes of the literal that are rarest in logs, 32 positions at a time, and looks closer only where both fit
// (after W. Mula, "SIMD-friendly algorithms for substring searching").
//
// Thread:  any (immutable).
// Limits:  any literal; the empty one is found everywhere. Never reads outside the page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

enum class Case { kExact, kIgnoreAscii };  // kIgnoreAscii: a-z equal A-Z, all other bytes exact

class LiteralSearcher {
 public:
  static constexpr size_t npos = std::string_view::npos;

  explicit LiteralSearcher(std::string_view literal, Case letters = Case::kExact);

  const std::string& literal() const { return literal_; }  // in lower case for kIgnoreAscii
  Case letters() const { return case_; }

  // Where the first occurrence that begins at or after `from` begins; npos where there is none.
  size_t find(std::string_view page, size_t from = 0) const;
  bool is_in(std::string_view text) const { return find(text) != npos; }

  // Appends the offset of every occurrence, overlapping ones too, ascending. Pages are below 4 GiB.
  void find_all(std::string_view page, std::vector<uint32_t>& offsets) const;

 private:
  bool equals_at(const char* at) const;
  size_t find_avx2(const char* begin, const char* end) const;
  size_t find_sse2(const char* begin, const char* end) const;
  size_t find_slowly(const char* begin, const char* end) const;  // the rest of a page, shorter than a vector

  std::string literal_;
  Case case_;
  size_t rare_[2] = {0, 0};   // positions in literal_, ascending
  uint8_t fold_[2] = {0, 0};  // or-ed to a byte of the page before comparing: 0x20 for a letter where case is ignored
};

}  // namespace pipeline
