#include "pipeline/base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pipeline/base/invariant.h"

namespace pipeline {

namespace {
template <size_t kSize>
std::array<uint8_t, kSize> digest_of(std::string_view bytes, const EVP_MD* kind) {
  std::array<uint8_t, kSize> digest{};
  unsigned size = digest.size();
  INVARIANT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, kind, nullptr) == 1);
  return digest;
}
}  // namespace

std::array<uint8_t, 16> md5(std::string_view bytes) { return digest_of<16>(bytes, EVP_md5()); }
std::array<uint8_t, 20> sha1(std::string_view bytes) { return digest_of<20>(bytes, EVP_sha1()); }
std::array<uint8_t, 32> sha256(std::string_view bytes) { return digest_of<32>(bytes, EVP_sha256()); }
std::array<uint8_t, 32> sha3_256(std::string_view bytes) { return digest_of<32>(bytes, EVP_sha3_256()); }
std::array<uint8_t, 64> sha512(std::string_view bytes) { return digest_of<64>(bytes, EVP_sha512()); }

std::array<uint8_t, 32> hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<uint8_t, 32> digest{};
  unsigned size = digest.size();
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  INVARIANT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), from, bytes.size(), digest.data(), &size));
  return digest;
}

}  // namespace pipeline
