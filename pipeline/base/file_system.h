// FileSystem: the few file operations that durability rests on, behind a seam so that tests can cut the power, fill the
// disk or fail the n-th write. Used for everything of ours that must survive (WAL, objects, checkpoints' folder);
// tailed log files are read directly.
//
// Thread:  any; one File is used by one thread at a time.
// Errors:  kIo, kNotFound, kOverLimit (disk full or quota), each naming the operation and the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

class File {
 public:
  virtual ~File() = default;  // closes
  // Writes all of `bytes` at the end, or fails; after a failure the size of the file is unknown: truncate it or give it
  // up.
  virtual Result<void> append(std::string_view bytes) = 0;
  // The appended bytes and the size survive a power cut (fdatasync). After a failed sync nothing about the file is
  // known.
  virtual Result<void> sync() = 0;
  virtual Result<std::string> read(uint64_t offset, uint64_t length) const = 0;  // fewer bytes at the end of the file
  virtual Result<void> truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;  // fails where the path exists
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;    // read and append; kNotFound where absent
  virtual Result<std::unique_ptr<File>> open_to_read(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> make_folders(const std::string& path) = 0;  // and their parents; present is fine
  virtual Result<void> sync_folder(const std::string& path) = 0;   // names created, renamed, removed survive
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;  // names, sorted, without . and ..
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
};

// The machine's own. One per program, made in main.
std::unique_ptr<FileSystem> system_files();

}  // namespace pipeline
