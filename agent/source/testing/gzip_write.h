// What compresses rotated files, for tests.
#pragma once

#include <fstream>
#include <iterator>

#include "agent/source/testing/temp_folder.h"
#include "pipeline/codec/deflate.h"

namespace agent::testing {

inline std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// As gzip does: NAME becomes NAME.gz (or `to`), another inode; NAME is gone.
inline void compress(const TempFolder& folder, const std::string& name, std::string to = "") {
  if (to.empty()) to = name + ".gz";
  folder.append(to, pipeline::gzip_compress(content_of(folder.at(name))));
  folder.remove(name);
}

// As copytruncate does.
inline void copy(const TempFolder& folder, const std::string& from, const std::string& to) {
  folder.append(to, content_of(folder.at(from)));
}

}  // namespace agent::testing
