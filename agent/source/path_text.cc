#include "agent/source/path_text.h"

#include "pipeline/model/quoted_text.h"

namespace agent {

std::string path_text(std::string_view path) {
  if (pipeline::is_valid_utf8(path)) return std::string(path);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (size_t at = 0; at < path.size();) {
    const size_t begin = at;
    pipeline::take_utf8(path, at);
    std::string_view character = path.substr(begin, at - begin);
    if (pipeline::is_valid_utf8(character)) {
      text += character;
      continue;
    }
    const auto byte = static_cast<unsigned char>(path[begin]);
    text += "\\x";
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

}  // namespace agent
