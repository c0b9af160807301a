// Successors: finds the content of a file that is no more at its path or inode: renamed to a place nobody watches
// (behind links: containers/ -> pods/ -> docker/), copied (copytruncate), compressed. The begin of the content decides,
// and the name must be that of a rotation.
//
// Thread:  one. Lists each folder once, and asks each file of it once: make a new one for each search.
// Cost:    opens each file that is called like a rotation of `live_path` once for all that were called so, if they are
//          asked for one after the other; holds a KiB of each of these meanwhile.
// Limits:  looks only into the folders of the path and of the links on its way, at names that begin like the file's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/source/file_handle.h"
#include "agent/source/file_identity.h"
#include "agent/source/rotated_name.h"

namespace agent {

class Successors {
 public:
  // `taken`: inodes that are read as another file already. May be called for any file of the folders looked into.
  using Taken = std::function<bool(InodeKey)>;
  explicit Successors(Taken taken) : taken_(std::move(taken)) {}

  struct Found {
    std::string path;
    std::shared_ptr<FileHandle> handle;
  };
  // Where the rest of a file is that was called `live_path` and was read up to `position`. Found once: its inode counts
  // as taken afterwards.
  std::optional<Found> find(const std::string& live_path, const FileIdentity& identity, uint64_t position);

  struct Sibling {
    std::string path;
    InodeKey key;
    RotatedName name;
    int64_t modified_nanos = 0;
    bool taken = false;
  };
  // The files that are called like rotations of `live_path`.
  std::vector<Sibling> rotated_siblings(const std::string& live_path);

  // How the file at `inode` is called today, if like a rotation of `live_path`.
  std::optional<RotatedName> name_of(const std::string& live_path, InodeKey inode);

 private:
  struct Entry {
    std::string name;
    InodeKey key;
    int64_t modified_nanos = 0;
    bool asked = false, is_file = false;  // key and time are known once it was asked
  };
  struct Place {
    std::string folder, name;  // the live file's
  };
  static std::vector<Place> places(const std::string& path);
  std::vector<Entry>& list(const std::string& folder);
  std::vector<Entry> entries_like(const Place& place);
  bool is_taken(InodeKey key) const;
  const std::string& head_of(const std::string& path, InodeKey key);

  const Taken taken_;
  std::map<std::string, std::vector<Entry>> folders_;  // by name
  std::unordered_set<InodeKey> found_;
  std::string heads_of_;                             // the live path whose rotations heads_ are of
  std::unordered_map<InodeKey, std::string> heads_;  // empty: cannot be read
};

}  // namespace agent
