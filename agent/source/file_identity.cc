#include "agent/source/file_identity.h"

#include <algorithm>

#include "pipeline/base/hash.h"

namespace agent {

bool in_same_folder(std::string_view path, std::string_view other_path) {
  return path.substr(0, path.rfind('/') + 1) == other_path.substr(0, other_path.rfind('/') + 1);
}

FileIdentity FileIdentity::of(InodeKey key, std::string_view head) {
  head = head.substr(0, kFingerprintBytes);
  return {key, pipeline::hash64(head), static_cast<uint32_t>(head.size())};
}

bool FileIdentity::matches(InodeKey other, std::string_view head) const {
  if (other != key || head.size() < fingerprint_bytes) return false;
  return pipeline::hash64(head.substr(0, fingerprint_bytes)) == fingerprint;
}

}  // namespace agent
