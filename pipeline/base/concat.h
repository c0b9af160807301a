// concat: joins texts and numbers into one string, with one allocation for texts.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace pipeline {

namespace concat_detail {
template <class T>
concept Number = std::integral<T> && !std::same_as<T, char>;  // a char is neither a number nor a text: write "c"

inline std::string_view piece(std::string_view text) { return text; }
template <Number T>
std::string piece(T number) {
  return std::to_string(number);
}
}  // namespace concat_detail

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (out.append(concat_detail::piece(parts)), ...);
  return out;
}

}  // namespace pipeline
