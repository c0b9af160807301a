// URLs and slash-separated paths as Go's net/url and path take them apart. Thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

struct GoUrl {
  std::string scheme, opaque, user_info, host, host_name, path, query, fragment;

  // kInvalid: `unable to parse url: ...`.
  static Result<GoUrl> parse(std::string_view text);
  std::string text() const;
};

// %41 and, in queries, + decoded; nothing: a malformed escape.
std::optional<std::string> decode_percent(std::string_view text, bool plus_is_blank);

std::string path_clean(std::string_view path);
std::string path_base(std::string_view path);
std::string path_dir(std::string_view path);
std::string_view path_extension(std::string_view path);  // with its dot

}  // namespace pipeline
