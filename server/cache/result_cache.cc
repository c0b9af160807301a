#include "server/cache/result_cache.h"

#include <cstdio>

namespace server {

using pipeline::Hash128;

namespace {

std::string remote_key(const Hash128& key) {
  char text[48];
  std::snprintf(text, sizeof text, "skidway-answer-%016llx%016llx", static_cast<unsigned long long>(key.high),
                static_cast<unsigned long long>(key.low));
  return text;
}

}  // namespace

CachedText ResultCache::find(const Hash128& key, bool shared) {
  if (CachedText text = memory_.find(key)) return text;
  if (remote_ == nullptr || !shared) return nullptr;
  auto value = remote_->find(remote_key(key));
  if (!value) return nullptr;
  auto text = std::make_shared<const std::string>(*std::move(value));
  memory_.put(key, text);
  return text;
}

void ResultCache::put(const Hash128& key, std::string answer, bool shared) {
  auto text = std::make_shared<const std::string>(std::move(answer));
  if (remote_ != nullptr && shared) remote_->put(remote_key(key), *text);
  memory_.put(key, std::move(text));
}

}  // namespace server
