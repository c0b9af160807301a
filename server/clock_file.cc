#include "server/clock_file.h"

#include <charconv>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

pipeline::UnixNanos read_clock_file(pipeline::FileSystem& files, const std::string& path) {
  auto file = files.open_to_read(path);
  if (!file) return 0;
  const auto text = (*file)->read(0, 32);
  if (!text) return 0;
  pipeline::UnixNanos time = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), time);
  const bool whole = error == std::errc() && end + 1 == text->data() + text->size() && *end == '\n';
  return whole ? time : 0;
}

pipeline::Result<void> write_clock_file(pipeline::FileSystem& files, const std::string& path,
                                        pipeline::UnixNanos time) {
  const std::string fresh = concat(path, ".new");
  auto removed = files.remove(fresh);  // of a program that died
  if (!removed && removed.error().code != Errc::kNotFound) return fail(removed.error());
  TRY_LET(auto file, files.create(fresh));
  TRY(file->append(concat(time, "\n")));
  TRY(file->sync());
  return files.rename(fresh, path);
}

}  // namespace server
