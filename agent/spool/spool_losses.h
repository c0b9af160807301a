// SpoolLosses: what was given up of a spool, kept beside its segments: of whom, how much and why. A loss is also the
// mark of its frame: both are there or neither is, wherever the process ends.
//
//   data_dir/spool/SINK/losses
//     0  8   magic "SKDWLST" and the version, 0x01
//     8  ..  per frame: crc32c of what follows the length (4), length (4), then
//              salt of its segment (8), offset (8), epoch (8) and seq (8) of the batch
//              per reason, up to the end (varints, and texts after their length): reason | detail | frames | entries |
//              bytes of their lines | origins (spool_origins.h), which count the bytes that are lost
//
// Salt 0: sums of older losses, into which they are folded when the file has grown. The last kKept stay as they are: a
// batch whose ack the checkpoint store does not have yet is not sent anew when its number stands here.
//
// Life:    open() to destruction. One per folder.
// Thread:  one at a time (the spool's worker).
// Limits:  kFoldBytes, or twice of what is left after folding. Memory: the frames of segments that are there.
// Errors:  what cannot be written (a full disk) is kept in memory and written with the next, or by sync().
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/spool/spool_origins.h"
#include "agent/spool/spool_volume.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"

namespace agent {

struct SpoolLoss {
  std::string reason, detail;
  SpoolVolume volume;
  std::string origins = {};  // encode_origins(): the bytes that are lost of each file
};

struct LostFrame {
  uint64_t salt = 0, offset = 0;
  BatchNumber number;
  std::vector<SpoolLoss> losses;  // at most one a reason; without a reason it is not lost: its batch is built again
};

inline constexpr std::string_view kSpoolLossesName = "losses";

// All of `path`, up to where it is torn; none where it is absent.
pipeline::Result<std::vector<LostFrame>> read_spool_losses(pipeline::FileSystem& files, const std::string& path);

class SpoolLosses {
 public:
  static constexpr uint64_t kFoldBytes = 1 << 20;
  static constexpr size_t kKept = 4096;

  // `on_lost` is told everything that is there.
  using OnLost = std::function<void(const LostFrame&)>;
  static pipeline::Result<std::unique_ptr<SpoolLosses>> open(pipeline::FileSystem& files, std::string folder,
                                                             const OnLost& on_lost = {});

  bool has(uint64_t salt, uint64_t offset) const { return frames_.contains({salt, offset}); }
  void add(const std::vector<LostFrame>& lost);
  void sync();                                      // before what they stand for is deleted
  void forget(uint64_t salt);                       // its segment is deleted
  void keep_only(const std::set<uint64_t>& salts);  // forgets all others
  // Rewrites the file where it has grown, without parts of files that `is_known` does not know; null: all are.
  void fold(const std::function<bool(uint64_t home, FileId)>& is_known = {});

 private:
  SpoolLosses(pipeline::FileSystem& files, std::string folder);
  pipeline::Result<void> load(const OnLost& on_lost);
  pipeline::Result<void> write();
  pipeline::Result<void> rewrite(const std::function<bool(uint64_t home, FileId)>& is_known);

  pipeline::FileSystem& files_;
  const std::string folder_, path_;
  std::unique_ptr<pipeline::File> file_;  // null: there is none yet
  uint64_t size_ = 0, folded_size_ = 0;   // of the file: known to be good; after the last folding
  std::string unwritten_;
  bool unsynced_ = false;
  std::set<std::pair<uint64_t, uint64_t>> frames_;  // salt, offset
  pipeline::LogLimiter log_;
};

}  // namespace agent
