// DiskCache: blocks of objects as files of one folder, bounded, and still there after a restart.
//
//   <folder>/<2 hex>/<32 hex: hash of the object's key>-<block>-<length>
//   file: "SKC1" | crc32c of the file's name and the bytes, 4 bytes little endian | the bytes
//
// Nothing is synced: what a power cut damages fails its checksum, which is a miss. Files with other names are left
// alone. A full disk, or one with less than `keep_free_bytes`, makes it throw out its oldest blocks; it never fails
// anybody.
//
// Life:    open() finds what an earlier program left, the order of use is forgotten. One per folder. What it refers to
//          outlives it.
// Thread:  any; calls read and write files.
// Limits:  `limit_bytes` of blocks. Which blocks are worth it: admission.h.
// Errors:  of open(): the folder cannot be made or read.
#pragma once

#include <compare>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/file_system.h"
#include "pipeline/base/hash.h"
#include "server/cache/admission.h"
#include "server/cache/cache_meters.h"

namespace server {

struct BlockId {
  pipeline::Hash128 object;  // of its key
  uint32_t block = 0;
  auto operator<=>(const BlockId&) const = default;
  pipeline::Hash128 hash() const;
};

struct DiskCacheOptions {
  std::string folder;
  uint64_t limit_bytes = 0;
  uint64_t keep_free_bytes = 0;  // of the disk, for others
};

class DiskCache {
 public:
  static pipeline::Result<std::unique_ptr<DiskCache>> open(pipeline::FileSystem& files, DiskCacheOptions options,
                                                           pipeline::Registry& registry);
  ~DiskCache();

  std::optional<std::string> find(const BlockId& id);
  void put(const BlockId& id, std::string_view bytes);
  void remove_object(const pipeline::Hash128& object);

  uint64_t size_bytes() const;

 private:
  struct Entry {
    BlockId id;
    uint32_t length;
  };
  using Entries = std::list<Entry>;
  using Paths = std::vector<std::string>;

  DiskCache(pipeline::FileSystem& files, DiskCacheOptions options, pipeline::Registry& registry)
      : files_(files), options_(std::move(options)), meters_(registry, "disk") {}
  pipeline::Result<void> read_folders();
  void add(const BlockId& id, uint32_t length);                       // under mutex_
  std::string drop(Entries::iterator entry);                          // under mutex_; the path to be removed
  Paths drop_oldest(uint64_t bytes);                                  // under mutex_: so many, or all there are
  std::optional<Paths> make_room(const BlockId& id, uint64_t bytes);  // under mutex_; nothing: not worth it
  void remove_files(const Paths& paths);
  pipeline::Result<void> write(const std::string& path, std::string_view name, std::string_view bytes);
  bool write_or_evict(const std::string& path, std::string_view name, std::string_view bytes);
  void forget(const BlockId& id);

  pipeline::FileSystem& files_;
  const DiskCacheOptions options_;
  CacheMeters meters_;
  mutable std::mutex mutex_;
  Admission admission_;  // these: under mutex_
  Entries entries_;      // most recent first
  std::map<BlockId, Entries::iterator> by_id_;
  std::set<BlockId> writing_;
  uint64_t size_bytes_ = 0;
};

}  // namespace server
