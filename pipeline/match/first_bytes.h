// FirstBytes: the bytes with which a text must begin that a regular expression matches: a test of one byte before the
// expression is run. For expressions that begin with ^ and then a character or a class, as those that find the first
// lines of multi-line entries mostly do: `^\d{4}-`, `^\[`, `^[A-Z]`, `^(INFO|WARN)`.
//
// Thread: any (immutable).
#pragma once

#include <bitset>
#include <optional>
#include <string_view>

namespace pipeline {

class FirstBytes {
 public:
  // Nothing where nothing can be said. `pattern` is one that Regex compiles.
  static std::optional<FirstBytes> of(std::string_view pattern);

  bool may_begin(std::string_view text) const {
    return !text.empty() && bytes_[static_cast<unsigned char>(text.front())];
  }

 private:
  explicit FirstBytes(const std::bitset<256>& bytes) : bytes_(bytes) {}
  std::bitset<256> bytes_;
};

}  // namespace pipeline
