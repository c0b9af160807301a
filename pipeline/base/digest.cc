#include "pipeline/base/digest.h"

#include <openssl/evp.h>

#include "pipeline/base/invariant.h"

namespace pipeline {

std::array<uint8_t, 16> md5(std::string_view bytes) {
  std::array<uint8_t, 16> digest{};
  unsigned size = digest.size();
  INVARIANT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) == 1);
  return digest;
}

}  // namespace pipeline
