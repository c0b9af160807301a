// Who a tailed file is: never its path, but device, inode and a fingerprint of its first bytes.
//
// The fingerprint tells a new file at a reused inode from the old one. It covers the first `fingerprint_bytes` bytes,
// up to 1,024, and grows with the file. A file seen empty has a fingerprint of nothing, which every file at that inode
// matches; nothing was read of it, so nothing can be skipped wrongly, and its name decides (is_blank).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string_view>

namespace agent {

bool in_same_folder(std::string_view path, std::string_view other_path);

struct InodeKey {
  uint64_t device = 0, inode = 0;
  auto operator<=>(const InodeKey&) const = default;
};

constexpr uint32_t kFingerprintBytes = 1024;  // a CRI file's first line alone, with its time, tells files apart

struct FileIdentity {
  InodeKey key;
  uint64_t fingerprint = 0;        // hash64 of the first fingerprint_bytes bytes
  uint32_t fingerprint_bytes = 0;  // <= kFingerprintBytes

  // `head`: the first bytes of the file, as many as there are up to kFingerprintBytes.
  static FileIdentity of(InodeKey key, std::string_view head);
  // Is the file with this inode and head the one this identity was taken from, perhaps grown since?
  bool matches(InodeKey other, std::string_view head) const;
  bool is_weak() const { return fingerprint_bytes < 64; }  // another file may easily begin alike
  // May it be another, as nothing was read of it? `head`: of the file that is there now.
  bool is_blank(std::string_view head, uint64_t read_bytes) const {
    return is_weak() && read_bytes == 0 && (fingerprint_bytes == 0 || head.size() > fingerprint_bytes);
  }
  bool operator==(const FileIdentity&) const = default;
};

}  // namespace agent

template <>
struct std::hash<agent::InodeKey> {
  size_t operator()(const agent::InodeKey& k) const noexcept { return k.inode * 0x9e3779b97f4a7c15ULL ^ k.device; }
};
