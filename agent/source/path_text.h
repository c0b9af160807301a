// path_text: a path as text. Paths are bytes; labels, metrics and JSON are UTF-8, and servers refuse anything else, the
// replacement character included. Each byte that is not part of a UTF-8 character is written as \xHH.
//
// Thread: any.
#pragma once

#include <string>
#include <string_view>

namespace agent {

std::string path_text(std::string_view path);

}  // namespace agent
