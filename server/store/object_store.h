// ObjectStore: the door to where objects live: a local folder, or an S3 bucket (server/s3). Objects are whole,
// immutable and named once: a key holds the cluster's id and a ULID and is never used again.
//
// Thread:  any; calls block, so workers make them, never the loop.
// Errors:  kNotFound: no such object. kInvalid: the key exists already. kIo, kUnavailable, kOverLimit (disk full): as
//          the system says. Each names the operation and the key.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/file_system.h"
#include "pipeline/base/result.h"
#include "server/store/ulid.h"

namespace server {

using pipeline::Result;

// One object being written piece by piece. Destroyed without a successful commit(): nothing of it is visible, ever.
class ObjectUpload {
 public:
  virtual ~ObjectUpload() = default;
  virtual Result<void> append(std::string_view bytes) = 0;
  // After success the object is whole, durable and visible. After an error its state is unknown: give the key up.
  virtual Result<void> commit() = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) = 0;
  // create, append, commit.
  Result<void> put(const std::string& key, std::string_view bytes);
  // Replaces `out` by exactly [offset, offset + length); kCorrupt where the object is shorter.
  virtual Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) = 0;
  virtual Result<uint64_t> size(const std::string& key) = 0;
  virtual Result<void> remove(const std::string& key) = 0;  // absent already: fine
  // remove(), and with it what an upload of that key left that was cut off: nobody writes it any more.
  virtual Result<void> abandon(const std::string& key) { return remove(key); }
  // The keys directly below `folder` ("<cluster>/l0"; "": the top), sorted, finished objects only. An absent folder is
  // empty.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // Removes what dead programs left unfinished below `folder`. Call at start, before any create. Returns how many.
  virtual Result<uint64_t> remove_unfinished(const std::string& folder) = 0;
  // Reading this many bytes more at one place takes no longer than one more request would.
  virtual uint64_t request_worth_bytes() const { return 0; }
  // Tells how long an object is, for stores that keep what was read.
  virtual void note_size([[maybe_unused]] const std::string& key, [[maybe_unused]] uint64_t size) {}
  // For a program that stops: from `delay` on calls fail with kCancelled, also those that wait for a far side.
  virtual void give_up_after([[maybe_unused]] std::chrono::milliseconds delay) {}
};

// Objects as files below `root`: written as <key>.part in the same folder, synced, renamed, folder synced.
// `files` outlives the store.
Result<std::unique_ptr<ObjectStore>> open_local_store(pipeline::FileSystem& files, std::string root);

// "<cluster>/l0" and "<cluster>/l0/<ulid>.lseg".
std::string object_folder(const Ulid& cluster, int level);
std::string object_key(const Ulid& cluster, int level, const Ulid& object);

}  // namespace server
