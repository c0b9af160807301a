// CatalogMark: how far the catalogue has come, in a file of this machine that is not the catalogue: so a copy that is
// put back is known at once, also where the store has not heard of the catalogue's changes since (generation.h).
//
//   <ULID of the cluster> <generation> <version>\n     appended at each change, after its commit; the last line counts
//
// It is never ahead of the catalogue: after a crash it may be behind, which says nothing. It is not synced: after a
// power cut it may be behind as well, or torn, where the line before counts.
//
// Thread: one at a time; blocks. Errors: opening: of the files. Writing: logged; the mark stays behind.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"
#include "server/catalog/catalog.h"

namespace server {

class CatalogMark {
 public:
  CatalogMark(pipeline::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<std::optional<CatalogAge>> read() const;  // nothing: there is none
  void keep(const CatalogAge& age);
  Result<void> remove();  // absent is fine

 private:
  Result<void> append(const std::string& line);

  pipeline::FileSystem& files_;
  const std::string path_;
  std::unique_ptr<pipeline::File> file_;  // empty before the first keep() and after a failed one
  uint64_t size_ = 0;
  pipeline::LogLimiter failure_log_;
};

// kInvalid: the mark has seen a later state of this catalogue.
Result<void> check_mark(const CatalogMark& mark, Catalog& catalog);

}  // namespace server
